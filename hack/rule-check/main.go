// rule-check: reads the groups of a PrometheusRule (`{"groups": [...]}`, JSON or YAML) from its standard input, validates
// them as Prometheus does when it loads them, and prints the names of the metrics that they ask for, a line for each.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sort"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	promql := parser.NewParser(parser.Options{})
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, promql, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		fail(errs...)
	}
	names := map[string]bool{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			expr, err := promql.ParseExpr(rule.Expr)
			if err != nil {
				fail(err)
			}
			for _, selectors := range parser.ExtractSelectors(expr) {
				for _, matcher := range selectors {
					if matcher.Name == model.MetricNameLabel {
						names[matcher.Value] = true
					}
				}
			}
		}
	}
	sorted := []string{}
	for name := range names {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	for _, name := range sorted {
		fmt.Println(name)
	}
}

func fail(errs ...error) {
	for _, err := range errs {
		fmt.Fprintln(os.Stderr, "rule-check:", err)
	}
	os.Exit(1)
}
