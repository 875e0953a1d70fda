package manage

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/caddy-dyndns/dyndns/clients"
)

func importFile() *cobra.Command {
	command := run(&cobra.Command{
		Use:   "import <file>|-",
		Short: "Creates or replaces clients from JSON lines",
		Long: `
Reads one client in JSON from each line, as "export" prints them, and creates or
replaces it. What is wrong with one line is said and does not stop the others;
clients that no line has stay. The same import again changes nothing.
`,
		Args: cobra.ExactArgs(1),
	}, func(c *call, args []string) error {
		in := c.InOrStdin()
		if args[0] != "-" {
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			in = file
		}
		if c.flag("shared") {
			c.query.Set("shared", "true")
		}
		return c.importAll(in)
	})
	command.Flags().Bool("shared", false, "Allow hosts that other clients have already")
	return command
}

// batch is how many lines go in one request.
const batch = 500

// importAll sends the lines in batches, so that the count on a terminal moves.
func (c *call) importAll(in io.Reader) error {
	reader := bufio.NewReaderSize(in, clients.MaxRecord)
	progress := newProgress()
	var total Imported
	read := 0 // lines, empty ones too
	for done := false; !done; {
		var lines bytes.Buffer
		count := 0
		for ; count < batch && !done; count++ {
			text, err := reader.ReadBytes('\n')
			lines.Write(text)
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			done = err != nil
		}
		var part Imported
		if err := c.ask(http.MethodPost, "/import", nil, lines.Bytes(), &part); err != nil {
			return fmt.Errorf("%w; the %d lines before were imported", err, read)
		}
		for _, e := range part.Errors {
			e.Line += read
			total.Errors = append(total.Errors, e)
			if !c.json {
				progress.clear()
				fmt.Fprintf(c.ErrOrStderr(), "line %d: %s\n", e.Line, e.Error)
			}
		}
		read += count
		total.Lines += part.Lines
		total.Created += part.Created
		total.Replaced += part.Replaced
		total.Unchanged += part.Unchanged
		total.Failed += part.Failed
		progress.show(total.Lines)
	}
	progress.clear()
	if c.json {
		if err := c.print(total); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(c.out, "%d created, %d replaced, %d unchanged, %d failed\n", total.Created, total.Replaced, total.Unchanged, total.Failed)
	}
	if total.Failed > 0 {
		return fmt.Errorf("%d lines are no clients", total.Failed)
	}
	return nil
}
