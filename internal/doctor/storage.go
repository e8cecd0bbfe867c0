package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"keymaker/internal/secret"
)

const (
	littleSpace = 1 << 30   // bytes that should be free
	noSpace     = 100 << 20 // bytes that must be
)

func (d *Doctor) database(ctx context.Context) []Result {
	open := step{"database.open", "opened the database"}
	write := step{"database.write", "asked the database whether it takes changes"}
	keys := step{"keys.signing", "opened the keys that sign ID tokens"}
	db, err := d.Open(ctx)
	if err == nil {
		defer func() { _ = db.Close() }()
		err = db.Ping(ctx)
	}
	if err != nil {
		const why = "the database cannot be opened"
		return []Result{open.failed(err.Error(), "Set global.database.url to a database that the server can open."), write.skipped(why), keys.skipped(why)}
	}
	results := []Result{open.ok("it answers, and its tables are those of this version")}
	if err := db.Writable(ctx); err != nil {
		results = append(results, write.failed(err.Error(), "Let the user that the server runs as write to the database."))
	} else {
		results = append(results, write.ok("it does"))
	}
	switch n, err := db.CountSigningKeys(ctx); {
	case err != nil:
		results = append(results, keys.failed(err.Error(), "Set global.secret_file to the file that the database was sealed with."))
	case n == 0:
		results = append(results, keys.warning("there are none yet", "Start the server: it makes them."))
	default:
		results = append(results, keys.ok(fmt.Sprintf("%d can be opened", n)))
	}
	return results
}

func (d *Doctor) sealFile(context.Context) []Result {
	s := step{"keys.secret", "read " + d.Config.SecretFile}
	if _, err := secret.ReadKey(d.Config.SecretFile); err != nil {
		return []Result{s.failed(err.Error(), "Put a copy of the file there: without it the database signs nothing.")}
	}
	info, err := os.Stat(d.Config.SecretFile)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return []Result{s.warning(fmt.Sprintf("others than its owner can read it (mode %o)", info.Mode().Perm()), "Take the right to read it from everybody else: chmod 600.")}
	}
	return []Result{s.ok("it holds 32 bytes, for its owner alone")}
}

func (d *Doctor) disk(context.Context) []Result {
	s := step{"disk.space", "asked for the free space where the database is"}
	path, is := strings.CutPrefix(d.Config.Database.URL.Reveal(), "sqlite:")
	if !is {
		return []Result{s.skipped("the database is PostgreSQL's")}
	}
	n, err := d.Free(filepath.Dir(path))
	saw := fmt.Sprintf("%d MiB are free", n>>20)
	const change = "Make space: without it nobody can sign in."
	switch {
	case err != nil:
		return []Result{s.failed(err.Error(), "Set global.database.url to a path in a folder that is there.")}
	case n < noSpace:
		return []Result{s.failed(saw, change)}
	case n < littleSpace:
		return []Result{s.warning(saw, change)}
	}
	return []Result{s.ok(saw)}
}

// free is how many bytes are free for everybody.
func free(folder string) (uint64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil {
		return 0, fmt.Errorf("ask for the free space: %w", err)
	}
	return fs.Bavail * uint64(fs.Bsize), nil
}

func (d *Doctor) trustedProxies(context.Context) []Result {
	s := step{"proxy.trusted", "read global.trusted_proxies"}
	for _, p := range d.Config.TrustedProxies {
		if p.Bits() == 0 {
			return []Result{s.failed(p.String()+" is everybody", "Name the addresses of your reverse proxies alone: whoever is among them can say X-Forwarded-For, and so get around the rate limits.")}
		}
	}
	return []Result{s.ok(fmt.Sprintf("X-Forwarded-For is believed from %d networks, and from nobody else", len(d.Config.TrustedProxies)))}
}
