package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"keymaker/internal/config"
	"keymaker/internal/doctor"
	"keymaker/internal/secret"
	"keymaker/store"
)

// DoctorCommand looks at the server from outside and inside.
type DoctorCommand struct {
	Config string `help:"The configuration file. Without it: $KEYMAKER_CONFIG, ./keymaker.toml, /etc/keymaker/keymaker.toml." placeholder:"FILE" type:"path"`
	JSON   bool   `name:"json" help:"Answer with a JSON array: check, state (ok, skipped, warning, failed), did, saw, change."`
}

// Run implements the command.
func (c *DoctorCommand) Run(ctx context.Context, streams *Streams) error {
	cfg, err := loadConfig(c.Config, streams)
	if err != nil {
		return err
	}
	results := doctor.New(doctor.Options{
		Config: cfg,
		Open:   func(ctx context.Context) (doctor.Database, error) { return openForDoctor(ctx, cfg, streams) },
	}).Examine(ctx)
	if c.JSON {
		out, err := json.MarshalIndent(results, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(streams.Out, printableJSON(out))
		return errors.Join(err, verdict(results))
	}
	_, err = io.WriteString(streams.Out, doctorText(results))
	return errors.Join(err, verdict(results))
}

// verdict is the exit status.
func verdict(results []doctor.Result) error {
	if doctor.Healthy(results) {
		return nil
	}
	return &ExitError{Code: exitFailure, Quiet: true}
}

// doctorText has a line for each check, and one more for what to change.
func doctorText(results []doctor.Result) string {
	var b strings.Builder
	count := map[doctor.State]int{}
	for _, r := range results {
		count[r.State]++
		fmt.Fprintf(&b, "%-8s %s: %s: %s\n", r.State, r.Check, r.Did, r.Saw)
		if r.Change != "" {
			fmt.Fprintf(&b, "         %s\n", r.Change)
		}
	}
	fmt.Fprintf(&b, "%d ok, %d skipped, %d warnings, %d failed\n", count[doctor.OK], count[doctor.Skipped], count[doctor.Warning], count[doctor.Failed])
	// Others have chosen some of what was seen.
	return strings.Map(func(c rune) rune {
		if c == '\n' || unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, b.String())
}

// examined is the database for the doctor.
type examined struct {
	*store.Store
	noSeal error // why the secret file cannot be used
}

// CountSigningKeys implements doctor.Database.
func (e examined) CountSigningKeys(ctx context.Context) (int, error) {
	if e.noSeal != nil {
		return 0, e.noSeal
	}
	keys, err := e.SigningKeys(ctx)
	return len(keys), err
}

// openForDoctor opens the database beside a server that may be running, and makes
// nothing that is missing.
func openForDoctor(ctx context.Context, cfg *config.Config, streams *Streams) (doctor.Database, error) {
	// Without the secret file the keys stay closed, and their check says so.
	var sealer *secret.Sealer
	key, noSeal := secret.ReadKey(cfg.SecretFile)
	if noSeal == nil {
		sealer, noSeal = secret.NewSealer(key)
	}
	db, err := openDatabase(ctx, cfg, streams, store.Options{Sealer: sealer})
	if err != nil {
		return nil, err
	}
	return examined{db, noSeal}, nil
}
