//go:build integration

package outside

import (
	"os"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// Grafana's own types have every field of the dashboard, and it has every field that they
// require.
func TestDashboard(t *testing.T) {
	cog.NewRuntime().RegisterPanelcfgVariant(timeseries.VariantConfig())
	cog.NewRuntime().RegisterDataqueryVariant(prometheus.VariantConfig())
	text, err := os.ReadFile("../../example/monitoring/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 every Grafana imports this model, its successor only version 12
	var d dashboard.Dashboard
	// An error without a text is an empty list of them.
	if err := d.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		t.Error(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	if len(d.Panels) == 0 {
		t.Error("it has no panels")
	}
}
