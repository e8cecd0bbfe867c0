package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"keymaker/internal/config"
	"keymaker/store"
)

// KeysListCommand lists the signing keys.
type KeysListCommand struct {
	JSON bool `name:"json" help:"Answer with a JSON array. Times are RFC 3339, in UTC."`
}

// listedKey is a key as it is listed: nothing of its private half.
type listedKey struct {
	KID         string         `json:"kid"`
	Alg         string         `json:"alg"`
	State       store.KeyState `json:"state"`
	Published   time.Time      `json:"published"`
	NotBefore   time.Time      `json:"not_before"`
	RetireAfter *time.Time     `json:"retire_after,omitempty"`
}

// Run implements the command.
func (c *KeysListCommand) Run(ctx context.Context, streams *Streams, parent *KeysCommand) error {
	return parent.run(ctx, streams, func(db *store.Store, _ *config.Config) error {
		keys, err := db.SigningKeys(ctx)
		if err != nil {
			return err
		}
		listed := make([]listedKey, 0, len(keys))
		for _, k := range keys {
			l := listedKey{KID: k.KID, Alg: k.Alg, State: k.State, Published: k.Published, NotBefore: k.NotBefore}
			if !k.RetireAfter.IsZero() {
				l.RetireAfter = &k.RetireAfter
			}
			listed = append(listed, l)
		}
		if !c.JSON {
			return printKeys(streams.Out, listed)
		}
		out := json.NewEncoder(streams.Out)
		out.SetIndent("", "  ")
		return out.Encode(listed)
	})
}

func printKeys(out io.Writer, keys []listedKey) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "KEY\tALGORITHM\tSTATE\tPUBLISHED\tSIGNS FROM\tREMOVED AFTER")
	for _, k := range keys {
		end := "-"
		if k.RetireAfter != nil {
			end = moment(*k.RetireAfter)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.KID, k.Alg, k.State, moment(k.Published), moment(k.NotBefore), end)
	}
	return w.Flush()
}

// moment is a time for people, to the second.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
