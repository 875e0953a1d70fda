// Package markdown reads what the documentation promises, for the tests that
// keep the promises.
package markdown

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Block is a fenced code block.
type Block struct {
	// File is the page, relative to the repository.
	File string
	// Line is where the block's first line stands, counted from 1.
	Line int
	// Language is the word after the fence.
	Language string
	// Text ends in a newline, without the indentation of a list.
	Text string
}

// Pages are README.md and docs/*.md of the repository at root, as their paths
// relative to it and their texts.
func Pages(t testing.TB, root string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages := make(map[string]string)
	for _, path := range append(paths, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		pages[name] = string(text)
	}
	return pages
}

var fence = regexp.MustCompile("^([ \t]*)```(\\S*)")

// Blocks are the fenced code blocks of a page in their order.
func Blocks(file, text string) []Block {
	var (
		blocks []Block
		inside bool
		indent string
	)
	for i, line := range strings.Split(text, "\n") {
		match := fence.FindStringSubmatch(line)
		switch {
		case match != nil && !inside:
			inside, indent = true, match[1]
			blocks = append(blocks, Block{File: file, Line: i + 2, Language: match[2]})
		case match != nil:
			inside = false
		case inside:
			blocks[len(blocks)-1].Text += strings.TrimPrefix(line, indent) + "\n"
		}
	}
	return blocks
}

// Code are the texts of the blocks in one language of a page of the repository at root.
func Code(t testing.TB, root, page, language string) []string {
	t.Helper()
	var all []string
	for _, b := range Blocks(page, Pages(t, root)[page]) {
		if b.Language == language {
			all = append(all, b.Text)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no %s", page, language)
	}
	return all
}

// WithoutCode is a page's text without its fenced code blocks and code spans.
func WithoutCode(text string) string {
	var b strings.Builder
	inside := false
	for line := range strings.Lines(text) {
		if fence.MatchString(line) {
			inside = !inside
		} else if !inside {
			b.WriteString(line)
		}
	}
	return codeSpan.ReplaceAllString(b.String(), "")
}

var codeSpan = regexp.MustCompile("`[^`\n]*`")
