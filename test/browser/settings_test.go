//go:build integration && linux

package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/site"
)

// The page of the settings does all that it is for without scripts.
func TestSettingsWithoutScripts(t *testing.T) {
	s, _ := start(t)
	p := startBrowser(t).open()
	p.show(390, "light")
	p.do("Emulation.setScriptExecutionDisabled", object{"value": true}, nil)
	t.Run("form", func(t *testing.T) { fillInForm(t, s, p) })
	t.Run("devices", func(t *testing.T) { unfoldDevices(t, s, p) })
	var buttons int
	p.eval(`document.querySelectorAll(".copy button").length`, &buttons)
	if trouble := p.takeTrouble(); trouble != nil || buttons > 0 {
		t.Errorf("%d buttons that do nothing, %q", buttons, trouble)
	}
}

// A visitor fills in the form by mouse and keyboard.
func fillInForm(t *testing.T, s *site.Site, p *tab) {
	p.visit(s.URL)
	p.click("#host")
	p.do("Input.insertText", object{"text": "Büro.dyn.example.com"}, nil)
	p.wait(func() { p.click("form button") })
	var address, text string
	p.eval("location.href", &address)
	p.eval("document.body.textContent", &text)
	if !strings.HasPrefix(address, s.URL+"/?host=B%C3%BCro.dyn.example.com") {
		t.Errorf("it led to %s", address)
	}
	if !strings.Contains(text, "/nic/update?hostname=xn--bro-hoa.dyn.example.com") {
		t.Errorf("the settings are not filled in:\n%s", text)
	}
}

// One device is unfolded at a time, by a click or by its address.
func unfoldDevices(t *testing.T, s *site.Site, p *tab) {
	unfolded := func() (ids []string) {
		p.eval(`[...document.querySelectorAll("details[open] > .device")].map(e => e.id)`, &ids)
		return ids
	}
	p.visit(s.URL)
	if got := unfolded(); len(got) > 0 {
		t.Errorf("unfolded at first: %q", got)
	}
	for _, id := range []string{"synology", "fritzbox", "traefik"} {
		p.clickUntil("details:has(#"+id+") summary", func() bool { return slices.Equal(unfolded(), []string{id}) })
	}
	p.visit(s.URL + "/?host=" + home + "#opnsense")
	await.True(t, "that of the address alone", func() bool { return slices.Equal(unfolded(), []string{"opnsense"}) })
}

// With scripts there are buttons that copy, and a visitor who signs in finds their names.
func TestSettings(t *testing.T) {
	s, z := start(t)
	fill(t, s, z)
	p := startBrowser(t).open()
	p.show(1280, "light")
	p.answerPassword(token)
	t.Run("copy", func(t *testing.T) { copySettings(t, s, p) })
	t.Run("sign in", func(t *testing.T) { signIn(t, s, p) })
	if trouble := p.takeTrouble(); trouble != nil {
		t.Errorf("%q", trouble)
	}
}

// A button copies what stands beside it, and says so.
func copySettings(t *testing.T, s *site.Site, p *tab) {
	p.visit(s.URL + "/?host=" + home + "#openwrt")
	for _, row := range []struct{ label, want string }{
		{"Once, so that the name exists", `curl -u dyndns "` + s.URL + "/nic/update?hostname=" + home + `"`},
		{"/usr/share/ddns/custom/dyndns.json", `"answer": "^(good|nochg)"`},
	} {
		var text string
		p.eval(fmt.Sprintf(`(() => {
			document.querySelector("#one")?.removeAttribute("id");
			[...document.querySelectorAll("#openwrt .copy")].find(e => e.querySelector("dt").textContent === %q).id = "one";
			return "";
		})()`, row.label), &text)
		p.clickUntil("#one button", func() bool {
			p.eval(`document.querySelector("#one button").textContent`, &text)
			return text == "Copied "+row.label
		})
		// Pasted into a field of the page, where its lines become one.
		p.eval(`(() => { const e = document.querySelector("#host"); e.maxLength = 1e6; e.value = ""; e.focus(); return "" })()`, &text)
		p.do("Input.dispatchKeyEvent", object{"type": "keyDown", "key": "v", "modifiers": 2, "commands": []string{"paste"}}, nil)
		await.True(t, "what was copied", func() bool {
			p.eval(`document.querySelector("#host").value`, &text)
			return strings.Contains(text, row.want)
		})
	}
}

// The settings are filled in with a name of the visitor's, and the browser gives the password
// to the other pages too.
func signIn(t *testing.T, s *site.Site, p *tab) {
	p.visit(s.URL)
	if p.asked != 0 {
		t.Fatal("the page of the settings asks for a password")
	}
	p.wait(func() { p.click(`a[href="/?sign-in"]`) })
	var text string
	var offered []string
	p.eval("document.querySelector('main').innerText", &text)
	p.eval(`[...document.querySelector("#host").list.options].map(e => e.value)`, &offered)
	if !strings.Contains(text, "signed in as home-router") || !strings.Contains(text, "settings below are for "+home) ||
		!slices.Contains(offered, home) || !slices.Contains(offered, "sensor-00."+home) {
		t.Errorf("it offers %q and says\n%s", offered, text)
	}
	p.visit(s.URL + hostsPath)
	p.visit(s.URL + "/?host=" + home)
	p.eval("document.querySelector('main').innerText", &text)
	if p.asked != 1 || !strings.Contains(text, "signed in as home-router") {
		t.Errorf("asked %d times\n%s", p.asked, text)
	}
}

// clickUntil clicks until something holds: a click into a frame that has not been drawn yet
// goes nowhere.
func (t *tab) clickUntil(selector string, holds func() bool) {
	t.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		t.click(selector)
		for again := time.Now().Add(patience / 6); time.Now().Before(again); time.Sleep(5 * time.Millisecond) {
			if holds() {
				return
			}
		}
	}
	t.t.Fatalf("clicks on %s do nothing", selector)
}
