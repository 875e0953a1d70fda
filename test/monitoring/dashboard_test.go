//go:build integration && linux

package monitoring

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// panelQuery is a query of the dashboard.
type panelQuery struct{ title, query string }

// dashboardQueries are those of all panels, with the dashboard's variables filled in as
// Grafana does.
func dashboardQueries(t *testing.T) []panelQuery {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, examples+"dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "2s", "$job", "dyndns", "$instance", ".*")
	var all []panelQuery
	for _, panel := range dashboard.Panels {
		if len(panel.Targets) == 0 && panel.Type != "row" {
			t.Errorf("%s asks for nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			all = append(all, panelQuery{panel.Title, fill.Replace(target.Expr)})
		}
	}
	if len(all) == 0 {
		t.Fatal("the dashboard has no queries")
	}
	return all
}

// hasData asks for the query's values at present.
func (p *prometheus) hasData(query string) error {
	var data struct {
		Result []struct{ Value [2]any }
	}
	if err := p.get("query?query="+url.QueryEscape(query), &data); err != nil {
		return err
	}
	for _, series := range data.Result {
		if series.Value[1] != "NaN" {
			return nil
		}
	}
	return fmt.Errorf("no number in %v of %s", data.Result, query)
}
