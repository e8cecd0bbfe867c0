package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"keymaker/internal/secret"
)

// section is a TOML table: its own keys, and the tables in it. The tree of
// sections is the one definition of what a configuration may hold: it parses
// the file and the environment, and prints the reference.
type section struct {
	key      string
	doc      string
	options  []option
	sections []section
	// begin adds an entry to a list of tables, [[key]]; nil for a table, [key].
	begin func(*draft)
	// optional: the reference only mentions the table.
	optional bool
	// check is for what no key can tell alone. It runs after all of the
	// section's keys, and those of the sections in it, have been read.
	check func(r *reader, n *node, path string)
}

// option is one key.
type option struct {
	key      string
	takes    rule
	fallback any // the value when the key is not there: string, int64, bool, []string, or nil for none
	required bool
	sample   any    // what the reference shows of a key without a fallback
	shown    bool   // the reference sets the key instead of only mentioning it
	doc      string // what the key does, in sentences
	inline   string // for the file of a secret: the key of the secret itself, which wins
	instead  string // for a key of Tuwunel's without effect: what Keymaker does
}

// draft is what options write to.
type draft struct {
	config   *Config
	provider *IdentityProvider // the one that is being read
	client   *OIDCClient       // the one that is being read
	members  map[string]any    // of its metadata
}

// rule is which values a key takes, and what becomes of them.
type rule struct {
	kind  kind
	unit  string
	entry func(string) error      // checks each entry of a list
	set   func(*draft, any) error // gets the kind's Go type
}

// kind is a type of values.
type kind int

const (
	aText       kind = iota // string
	aNumber                 // int
	aFlag                   // bool
	aList                   // []string
	aListOrText             // []string
	aPairs                  // map[string]string
)

// String says what a value of the kind is called in a message.
func (k kind) String() string {
	return [...]string{"a string", "a whole number", "true or false", "a list of strings", "a string or a list of strings",
		"a table of strings"}[k]
}

// take makes a rule of a function that needs not care about types: the reader
// gives a rule values of its kind only.
func take[V any](k kind, set func(*draft, V) error) rule {
	return rule{kind: k, set: func(d *draft, value any) error {
		v, ok := value.(V)
		if !ok {
			return refuse("must be %s", k)
		}
		return set(d, v)
	}}
}

// text is a string that passes the check.
func text(field func(*draft) *string, check func(string) error) rule {
	return take(aText, func(d *draft, v string) error {
		if v == "" {
			return errEmpty
		}
		if err := check(v); err != nil {
			return err
		}
		*field(d) = v
		return nil
	})
}

var errEmpty = refuse("is empty: leave the key out instead")

// free is a string that may be anything, empty too.
func free(field func(*draft) *string) rule {
	return take(aText, func(d *draft, v string) error {
		*field(d) = v
		return nil
	})
}

// oneOf is a string out of a few.
func oneOf(field func(*draft) *string, values ...string) rule {
	return text(field, among(values...))
}

// among is the rule of what is one of a few.
func among(values ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(values, v) {
			return nil
		}
		return refusal{fmt.Sprintf("%s is not one of %s", quote(v), strings.Join(values, ", ")), nearest(v, values)}
	}
}

// number is a whole number from low to high.
func number(low, high int64, field func(*draft) *int) rule {
	return take(aNumber, func(d *draft, v int64) error {
		if err := within(v, low, high); err != nil {
			return err
		}
		*field(d) = int(v)
		return nil
	})
}

// tooLong is ten years: no time in a configuration is longer.
const tooLong = 10 * 365 * 24 * time.Hour

// seconds is a time of at least low seconds.
func seconds(low int64, field func(*draft) *time.Duration) rule {
	return duration("seconds", time.Second, low, int64(tooLong/time.Second), field)
}

// secondsUpTo is a time from one second to high.
func secondsUpTo(high int64, field func(*draft) *time.Duration) rule {
	return duration("seconds", time.Second, 1, high, field)
}

// secondsOrNever is 0, or a time of at least low seconds.
func secondsOrNever(low int64, field func(*draft) *time.Duration) rule {
	r := seconds(0, field)
	set := r.set
	r.set = func(d *draft, value any) error {
		if v, ok := value.(int64); ok && v > 0 && v < low {
			return refuse("%d is neither 0 nor at least %d", v, low)
		}
		return set(d, value)
	}
	return r
}

// milliseconds is a time of at least low milliseconds.
func milliseconds(low int64, field func(*draft) *time.Duration) rule {
	return duration("milliseconds", time.Millisecond, low, int64(tooLong/time.Millisecond), field)
}

func duration(unit string, size time.Duration, low, high int64, field func(*draft) *time.Duration) rule {
	r := take(aNumber, func(d *draft, v int64) error {
		if err := within(v, low, high); err != nil {
			return err
		}
		*field(d) = time.Duration(v) * size
		return nil
	})
	r.unit = unit
	return r
}

func within(v, low, high int64) error {
	if v < low || v > high {
		return refuse("%d is not between %d and %d", v, low, high)
	}
	return nil
}

// flag is true or false.
func flag(field func(*draft) *bool) rule {
	return take(aFlag, func(d *draft, v bool) error {
		*field(d) = v
		return nil
	})
}

// texts is a list of strings that each pass the check.
func texts(field func(*draft) *[]string, check func(string) error) rule {
	r := take(aList, func(d *draft, v []string) error {
		*field(d) = slices.Clone(v) // a default stays what it is
		return nil
	})
	r.entry = check
	return r
}

// addresses is one or more addresses to listen on.
func addresses(field func(*draft) *[]string) rule {
	r := take(aListOrText, func(d *draft, v []string) error {
		if len(v) == 0 {
			return errEmpty
		}
		*field(d) = slices.Clone(v) // a default stays what it is
		return nil
	})
	r.entry = checkAddress
	return r
}

// networks is a list of networks and single addresses.
func networks(field func(*draft) *[]netip.Prefix) rule {
	r := take(aList, func(d *draft, v []string) error {
		*field(d) = nil
		for _, s := range v {
			p, err := parseNetwork(s)
			if err != nil {
				return err
			}
			*field(d) = append(*field(d), p)
		}
		return nil
	})
	r.entry = func(s string) error { _, err := parseNetwork(s); return err }
	return r
}

// secretText is a secret in the configuration itself.
func secretText(field func(*draft) *secret.Text, check func(secret.Text) error) rule {
	return take(aText, func(d *draft, v string) error {
		if v == "" {
			return errEmpty
		}
		if err := check(secret.Text(v)); err != nil {
			return err
		}
		*field(d) = secret.Text(v)
		return nil
	})
}

// secretFile is a secret in a file, which is read now.
func secretFile(field func(*draft) *secret.Text, check func(secret.Text) error) rule {
	return take(aText, func(d *draft, path string) error {
		t, err := readSecret(path)
		if err == nil {
			err = check(t)
		}
		if err != nil {
			return err
		}
		*field(d) = t
		return nil
	})
}

// noEffect is a key whose value is not used.
func noEffect(k kind) rule {
	return rule{kind: k, set: func(*draft, any) error { return nil }}
}

func anything[V any](V) error { return nil }
