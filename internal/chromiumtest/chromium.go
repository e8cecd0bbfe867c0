// Package chromiumtest drives Debian's Chromium in tests, as a person with a
// browser would, and notes everything that the browser complains about.
//
// The tests that need it run where KEYMAKER_TEST_CHROMIUM is set, with what
// npm ci installs in testdata/axe.
package chromiumtest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Variable is the environment variable without which no browser is started.
const Variable = "KEYMAKER_TEST_CHROMIUM"

// ShotsVariable names a folder for screenshots of everything; "" makes none.
const ShotsVariable = "KEYMAKER_TEST_SCREENSHOTS"

// patience is how long anything in the browser may take.
const patience = 30 * time.Second

// Wanted tells whether the tests of this run have a browser.
func Wanted() bool { return os.Getenv(Variable) != "" }

// Run is a TestMain that says when the tests with a browser are left out.
func Run(m *testing.M, what string) int {
	if !Wanted() {
		fmt.Printf("In Chromium %s were not tested: %s is not set\n", what, Variable)
	}
	return m.Run()
}

// A Browser is one running Chromium.
type Browser struct {
	ctx context.Context
	t   testing.TB
}

// Start runs a browser until the test ends. It finds no host but the loopback
// interface and those of hosts, which maps a name to HOST:PORT.
func Start(t testing.TB, hosts map[string]string) *Browser {
	t.Helper()
	rules := ""
	for name, address := range hosts {
		rules += "MAP " + name + " " + address + ","
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"),
		chromedp.Flag("host-resolver-rules", rules+"MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors", true), // of the servers that tests start
		chromedp.Flag("lang", "en-US"),
		chromedp.NoSandbox, // it may be run by root
	)
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() { end(); stop() })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return &Browser{ctx: ctx, t: t}
}

// A Person is a profile of the browser that nobody has used: cookies of its
// own.
type Person struct {
	ctx context.Context
}

// Person opens a profile.
func (b *Browser) Person(t testing.TB) *Person {
	t.Helper()
	ctx, end := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a profile: %v", err)
	}
	return &Person{ctx: ctx}
}
