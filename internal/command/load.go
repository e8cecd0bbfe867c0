package command

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"keymaker/internal/load"
	"keymaker/internal/secret"
	"keymaker/store/fill"
)

// LoadCommand measures the server on this machine.
type LoadCommand struct {
	Stored      int           `help:"How many sessions the database holds, each with its device and token." default:"10000"`
	Asked       string        `help:"What a homeserver has asked about the stored tokens: each within the last five minutes, or nothing, or every two minutes for an hour." enum:"lately,never,for-long" default:"lately"`
	For         time.Duration `help:"How long each operation is asked for." default:"5s"`
	Concurrency int           `help:"How many clients ask at once." default:"8"`
	Database    string        `help:"A postgres:// URL of a database without users. Without it: a temporary SQLite file." placeholder:"URL"`
	Dir         string        `help:"Keep the database, the configuration and the server's log in this folder. Without it: a temporary folder, removed at the end." placeholder:"DIR" type:"path"`
	Again       bool          `help:"Measure on what a run before, with the same --dir and --database, has stored."`
	Only        []string      `help:"The operations to measure, with commas between. Without it: all."`
	Overload    float64       `help:"At the end, let a crowd ask at so many times the rate that was sustained." placeholder:"TIMES"`
	JSON        string        `help:"Write the report to this file as JSON, too." placeholder:"FILE" type:"path" name:"json"`
	Sizes       bool          `help:"Say what each table and index takes on the disk. SQLite says so in a build without cgo alone."`
	Plot        string        `help:"Only draw the reports in this folder, into SVG files beside them." placeholder:"DIR" type:"path"`
	Empty       string        `help:"Only serve a handler that does nothing at this address." hidden:""`
}

// Run implements the command.
func (c *LoadCommand) Run(ctx context.Context, streams *Streams) error {
	if c.Empty != "" {
		return load.ServeEmpty(ctx, c.Empty)
	}
	if c.Plot != "" {
		return load.Plot(c.Plot)
	}
	report, err := load.Run(ctx, load.Options{Stored: c.Stored, Asked: fill.Asked(c.Asked), For: c.For, Concurrency: c.Concurrency, Database: secret.Text(c.Database),
		Dir: c.Dir, Again: c.Again, Only: c.Only, Overload: c.Overload, Sizes: c.Sizes, Progress: streams.Err})
	if err != nil {
		return err
	}
	if err := report.Table(streams.Out); err != nil {
		return err
	}
	if c.JSON != "" {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		if err := os.WriteFile(c.JSON, append(text, '\n'), 0o600); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if n := report.Failures(); n > 0 {
		return fmt.Errorf("%d requests were not answered as they must be", n)
	}
	return nil
}
