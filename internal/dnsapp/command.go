package dnsapp

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "dyndns-zone",
		Usage: "export|import <zone>",
		Short: "Exports or imports a zone of the nameserver that is brought along",
		Long: `
Asks the admin API of a running Caddy for a zone as a zone file, for backup and for
another nameserver, or replaces by one what updates have put into a zone. Records of
other types than A, AAAA, HTTPS and TXT, and those of the configuration, are left
out of an import, and printed.

After an import the zone's serial is greater than before, than that of the file, than
the Unix time and than --serial-after: name there the serial that secondaries have of
the zone's last primary if that of the file is older.
`,
		CobraFunc: func(root *cobra.Command) {
			root.AddCommand(
				&cobra.Command{Use: "export <zone>", Short: "Prints a zone as a zone file", Args: cobra.ExactArgs(1), RunE: runExport},
				importCommand(),
			)
			flags := root.PersistentFlags()
			flags.String("address", "", "Address of the admin API; default: that of the configuration, or localhost:2019")
			flags.StringP("config", "c", "", "Configuration file that has the address of the admin API")
			flags.StringP("adapter", "a", "", "Name of config adapter")
		},
	})
}

func importCommand() *cobra.Command {
	c := &cobra.Command{Use: "import <zone> <file>", Short: "Reads a zone from a zone file, - for standard input", Args: cobra.ExactArgs(2), RunE: runImport}
	c.Flags().Uint32("serial-after", 0, "A serial that the new one has to be greater than")
	return c
}

func runExport(cmd *cobra.Command, args []string) error {
	response, err := askAdmin(cmd, http.MethodGet, args[0], nil, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(cmd.OutOrStdout(), response.Body)
	return err
}

func runImport(cmd *cobra.Command, args []string) error {
	in := cmd.InOrStdin()
	if args[1] != "-" {
		file, err := os.Open(args[1])
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	query := url.Values{}
	if after, _ := cmd.Flags().GetUint32("serial-after"); after > 0 {
		query.Set("after", strconv.FormatUint(uint64(after), 10))
	}
	response, err := askAdmin(cmd, http.MethodPut, args[0], query, in)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var imported Imported
	if err := json.NewDecoder(response.Body).Decode(&imported); err != nil {
		return err
	}
	for _, record := range imported.Skipped {
		fmt.Fprintln(cmd.OutOrStdout(), "left out:", record)
	}
	return nil
}

func askAdmin(cmd *cobra.Command, method, zone string, query url.Values, body io.Reader) (*http.Response, error) {
	cmd.SilenceUsage = true
	text := func(flag string) string { value, _ := cmd.Flags().GetString(flag); return value }
	address, err := caddycmd.DetermineAdminAPIAddress(text("address"), nil, text("config"), text("adapter"))
	if err != nil {
		return nil, err
	}
	path := adminPath + url.PathEscape(zone)
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return caddycmd.AdminAPIRequest(address, method, path, nil, body)
}
