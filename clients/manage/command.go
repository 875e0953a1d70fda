package manage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "dyndns-client",
		Usage: "add|show|list|rotate|revoke|remove|import|export",
		Short: "Manages the dyndns clients in Caddy's storage while Caddy runs",
		Long: `
Asks the admin API of a running Caddy, one of whose dyndns handlers has "clients
storage". Changes count at once there, and on other instances that share the
storage within the time that "cache" of that directive says. Nothing is reloaded.

Tables are for people; --json prints what the admin API answered.
`,
		CobraFunc: func(root *cobra.Command) {
			for _, subcommand := range []func() *cobra.Command{add, show, list, rotate, revoke, remove, importFile, exportAll} {
				root.AddCommand(subcommand())
			}
			flags := root.PersistentFlags()
			flags.String("address", "", "Address of the admin API; default: that of the configuration, or localhost:2019")
			flags.StringP("config", "c", "", "Configuration file that has the address of the admin API")
			flags.StringP("adapter", "a", "", "Name of config adapter")
			flags.String("namespace", "", "Namespace of the clients, if several are configured")
			flags.Bool("json", false, "Print the answer of the admin API")
		},
	})
}

// run returns a command that asks the admin API.
func run(command *cobra.Command, f func(c *call, args []string) error) *cobra.Command {
	command.RunE = func(cmd *cobra.Command, args []string) error {
		c := &call{Command: cmd, out: cmd.OutOrStdout(), query: url.Values{}}
		cmd.SilenceUsage = true
		c.json, _ = cmd.Flags().GetBool("json")
		if namespace, _ := cmd.Flags().GetString("namespace"); namespace != "" {
			c.query.Set("namespace", namespace)
		}
		return f(c, args)
	}
	return command
}

// call is one use of a command.
type call struct {
	*cobra.Command
	out   io.Writer
	json  bool
	query url.Values
}

func (c *call) text(flag string) string {
	value, _ := c.Flags().GetString(flag)
	return value
}

func (c *call) texts(flag string) []string {
	value, _ := c.Flags().GetStringArray(flag)
	return value
}

func (c *call) flag(flag string) bool {
	value, _ := c.Flags().GetBool(flag)
	return value
}

// ask sends a request to the admin API and decodes its answer into reply, if that is not
// nil. With --json it is printed.
func (c *call) ask(method, path string, header http.Header, body, reply any) error {
	var sent io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		sent = bytes.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(data)
	}
	answer, err := c.send(method, path, header, sent)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if reply != nil {
		if err := json.Unmarshal(data, reply); err != nil {
			return fmt.Errorf("the admin API answers what is no JSON: %w", err)
		}
	}
	return nil
}

func (c *call) send(method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(c.text("address"), nil, c.text("config"), c.text("adapter"))
	if err != nil {
		return nil, err
	}
	uri := root + path
	if len(c.query) > 0 {
		uri += "?" + c.query.Encode()
	}
	return caddycmd.AdminAPIRequest(address, method, uri, header, body)
}

// print prints a value as JSON.
func (c *call) print(value any) error {
	encoder := json.NewEncoder(c.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func at(name string, rest ...string) string {
	path := "/" + url.PathEscape(name)
	for _, r := range rest {
		path += "/" + url.PathEscape(r)
	}
	return path
}
