package manage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-dyndns/dyndns/clients"
)

func add() *cobra.Command {
	command := run(&cobra.Command{
		Use:   "add <name> --host <pattern>...",
		Short: "Creates a client and prints its token",
		Long: `
Creates a client and prints its token, which is shown this once. A host is a
name, "*." and a name for everything below it, or "*". With --replace, the
client may exist already: what is said here is then all that it has, but for its
tokens, which stay; no new one is made.
`,
		Args: cobra.ExactArgs(1),
	}, func(c *call, args []string) error {
		record := clients.Record{
			Name: args[0], Hosts: c.texts("host"), From: c.texts("from"), Note: c.text("note"),
			Disabled: c.flag("disabled"), NoCertificates: c.flag("no-certificates"),
		}
		for _, text := range c.texts("lan") {
			host, id, ok := strings.Cut(text, "=")
			if !ok {
				return errors.New("--lan: it must be <name>=<interface identifier>")
			}
			record.LAN = append(record.LAN, clients.RecordLAN{Name: host, InterfaceID: id})
		}
		if text := c.text("limit"); text != "" {
			changes, per, ok := strings.Cut(text, "/")
			n, err := strconv.Atoi(changes)
			if !ok || err != nil {
				return errors.New("--limit: it must be <changes>/<duration>, such as 10/1h")
			}
			record.Limit = &clients.RecordLimit{Changes: n, Per: per}
		}
		header := http.Header{"If-None-Match": {"*"}}
		if c.flag("replace") {
			header = nil
		}
		if c.flag("shared") {
			c.query.Set("shared", "true")
		}
		var stored clients.Record
		if err := c.ask(http.MethodPut, at(args[0]), header, record, &stored); err != nil {
			return err
		}
		c.query.Del("shared")
		if c.flag("replace") || c.flag("no-token") {
			return c.show(&stored)
		}
		return c.newToken(args[0], TokenRequest{ExpiresIn: c.text("expires-in")})
	})
	flags := command.Flags()
	flags.StringArray("host", nil, "Name or pattern that the client may change; several times for more")
	flags.StringArray("lan", nil, "Host behind the router and its interface identifier: <name>=<iid>")
	flags.StringArray("from", nil, "Network from which alone the client may ask")
	flags.String("limit", "", "Changes of addresses and the time for them, such as 10/1h")
	flags.String("note", "", "Text for whoever manages the clients")
	flags.Bool("disabled", false, "Refuse the client for the time being")
	flags.Bool("no-certificates", false, "Keep the client from getting certificates")
	flags.Bool("shared", false, "Allow hosts that other clients have already")
	flags.Bool("replace", false, "Replace a client that exists")
	flags.Bool("no-token", false, "Make no token")
	flags.String("expires-in", "", "Duration after which the token is invalid, such as 90d; default: never")
	return command
}

// newToken makes a token and prints it.
func (c *call) newToken(name string, request TokenRequest) error {
	var made NewToken
	if err := c.ask(http.MethodPost, at(name, "tokens"), nil, request, &made); err != nil {
		return err
	}
	if c.json {
		return c.print(made)
	}
	fmt.Fprintln(c.out, made.Token)
	fmt.Fprintf(c.ErrOrStderr(), "This is the token %s of %s. It is not shown again.\n", made.ID, name)
	if !made.Expires.IsZero() {
		fmt.Fprintf(c.ErrOrStderr(), "It is invalid from %s on.\n", made.Expires.Format(time.RFC3339))
	}
	if request.OthersExpireIn != "" {
		d, err := clients.ParseDuration(request.OthersExpireIn)
		if err != nil { // at once
			d = 0
		}
		whose := ""
		if request.Owner {
			whose = " of the owner"
		}
		fmt.Fprintf(c.ErrOrStderr(), "Any older token%s is invalid from %s on.\n", whose, made.Created.Add(d).Format(time.RFC3339))
	}
	return nil
}

func show() *cobra.Command {
	return run(&cobra.Command{Use: "show <name>", Short: "Shows a client", Args: cobra.ExactArgs(1)}, func(c *call, args []string) error {
		var record clients.Record
		if err := c.ask(http.MethodGet, at(args[0]), nil, nil, &record); err != nil {
			return err
		}
		return c.show(&record)
	})
}

func list() *cobra.Command {
	command := run(&cobra.Command{
		Use:   "list",
		Short: "Lists the clients",
		Long: `
Lists the clients in an order that stays the same, but is not that of the
alphabet.
`,
		Args: cobra.NoArgs,
	}, func(c *call, _ []string) error {
		if unused := c.text("unused"); unused != "" {
			c.query.Set("unused", unused)
		}
		after := c.text("after")
		left, _ := c.Flags().GetInt("limit")
		t := newTable(c.out)
		if !c.json {
			t.row("NAME", "HOSTS", "TOKENS", "LAST SEEN", "EXPIRES", "STATE", "NOTE")
		}
		for {
			size := maxPage
			if left > 0 {
				size = min(size, left)
			}
			c.query.Set("limit", strconv.Itoa(size))
			c.query.Set("after", after)
			var page Page
			if err := c.ask(http.MethodGet, "", nil, nil, &page); err != nil {
				return err
			}
			for _, listed := range page.Clients {
				if c.json {
					if err := json.NewEncoder(c.out).Encode(listed); err != nil {
						return err
					}
				} else {
					t.client(listed)
				}
			}
			left -= len(page.Clients)
			if after = page.Next; after == "" || left == 0 {
				return t.flush()
			}
		}
	})
	command.Flags().String("after", "", "Name of the client to begin after")
	command.Flags().String("unused", "", "List only those that have not asked for so long, such as 180d")
	command.Flags().Int("limit", 0, "How many to list; 0 for all")
	return command
}

func rotate() *cobra.Command {
	command := run(&cobra.Command{
		Use:   "rotate <name>",
		Short: "Makes a new token; the old ones become invalid later",
		Args:  cobra.ExactArgs(1),
	}, func(c *call, args []string) error {
		return c.newToken(args[0], TokenRequest{Owner: c.flag("owner"), ExpiresIn: c.text("expires-in"), OthersExpireIn: c.text("old-expire-in")})
	})
	command.Flags().String("old-expire-in", "24h", "Duration after which the old tokens are invalid, 0s for at once, empty for never")
	command.Flags().String("expires-in", "", "Duration after which the new token is invalid; default: never")
	command.Flags().Bool("owner", false, "Make a token of the person, which sees the pages and changes no name")
	return command
}

func revoke() *cobra.Command {
	return run(&cobra.Command{
		Use:   "revoke <name> <id>...",
		Short: "Makes tokens invalid at once",
		Long:  "\nMakes tokens invalid at once. \"show\" has their ids; \"all\" is all of them.\n",
		Args:  cobra.MinimumNArgs(2),
	}, func(c *call, args []string) error {
		ids := args[1:]
		if len(ids) == 1 && ids[0] == "all" {
			var record clients.Record
			if err := c.ask(http.MethodGet, at(args[0]), nil, nil, &record); err != nil {
				return err
			}
			ids = nil
			for _, t := range append(record.Tokens, record.Owner...) {
				ids = append(ids, t.ID())
			}
		}
		for _, id := range ids {
			if err := c.ask(http.MethodDelete, at(args[0], "tokens", id), nil, nil, nil); err != nil {
				return err
			}
		}
		tokens, are := "tokens", "are"
		if len(ids) == 1 {
			tokens, are = "token", "is"
		}
		fmt.Fprintf(c.ErrOrStderr(), "%d %s of %s %s invalid here; on other instances when their cache has expired.\n", len(ids), tokens, args[0], are)
		return nil
	})
}

func remove() *cobra.Command {
	command := run(&cobra.Command{
		Use:   "remove <name>",
		Short: "Removes a client and says which names it leaves behind",
		Args:  cobra.ExactArgs(1),
	}, func(c *call, args []string) error {
		if c.flag("purge") {
			c.query.Set("purge", "true")
		}
		var removed Removed
		if err := c.ask(http.MethodDelete, at(args[0]), nil, nil, &removed); err != nil {
			return err
		}
		if c.json {
			return c.print(removed)
		}
		for _, host := range removed.Hosts {
			state := "left behind: what stands there is nobody's"
			if removed.Purged {
				state = "records removed"
			}
			if err := removed.Errors[host]; err != "" {
				state = "not removed: " + err
			}
			fmt.Fprintf(c.out, "%s %s\n", host, state)
		}
		if len(removed.Errors) > 0 {
			return errors.New("some records could not be removed")
		}
		return nil
	})
	command.Flags().Bool("purge", false, "Remove the records of the client's names too")
	return command
}

func exportAll() *cobra.Command {
	return run(&cobra.Command{
		Use:   "export",
		Short: "Prints all clients as JSON lines, with the digests of their tokens",
		Args:  cobra.NoArgs,
	}, func(c *call, _ []string) error {
		answer, err := c.send(http.MethodGet, "/export", nil, nil)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		_, err = io.Copy(c.out, answer.Body)
		return err
	})
}
