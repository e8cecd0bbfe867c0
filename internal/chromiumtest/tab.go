package chromiumtest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A Tab is one tab of a person's browser. Everything that goes wrong in it
// fails the test.
type Tab struct {
	ctx   context.Context
	t     testing.TB
	watch *watch
}

// Tab opens a tab from which only the named hosts (HOST:PORT) may be asked.
// Without scripts no page can run one.
func (p *Person) Tab(t testing.TB, scripts bool, hosts ...string) *Tab {
	t.Helper()
	w := &watch{hosts: hosts}
	ctx, end := chromedp.NewContext(p.ctx, chromedp.WithListener(w.take))
	t.Cleanup(end)
	tab := &Tab{ctx: ctx, t: t, watch: w}
	// The first command decides how long the tab lives: it has no limit.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	call(tab, log.Enable, cdp.Empty{})
	call(tab, audits.Enable, cdp.Empty{})
	call(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
	return tab
}

// Popup is the tab that an expression opens in the page of this one.
func (t *Tab) Popup(expression string) *Tab {
	t.t.Helper()
	opened := chromedp.WaitNewTarget(t.ctx, func(*target.Info) bool { return true })
	Evaluate[any](t, expression)
	select {
	case id := <-opened:
		ctx, end := chromedp.NewContext(t.ctx, chromedp.WithTargetID(id), chromedp.WithListener(t.watch.take))
		t.t.Cleanup(end)
		if err := chromedp.Do(ctx); err != nil {
			t.t.Fatalf("look at what %s opened: %v", expression, err)
		}
		return &Tab{ctx: ctx, t: t.t, watch: t.watch}
	case <-time.After(patience):
		t.t.Fatalf("%s opened nothing", expression)
		return nil
	}
}

// For is the same tab for a subtest.
func (t *Tab) For(tb testing.TB) *Tab { return &Tab{ctx: t.ctx, t: tb, watch: t.watch} }

// do does something that must succeed, and within some seconds.
func do[T any](t *Tab, what string, action chromedp.Action[T]) T {
	t.t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		t.t.Fatalf("%s: %v\nat %s", what, err, t.where())
	}
	return result
}

// call gives the browser a command, which must succeed.
func call[P, R any](t *Tab, command cdp.Command[P, R], params P) R {
	t.t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		t.t.Fatalf("%s: %v\nat %s", command.Method, err, t.where())
	}
	return result
}

// Await waits until the page says something that done is true for, and tells
// whether it came to that.
func (t *Tab) Await(done func(text string) bool) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if done(t.where()) {
			return true
		}
	}
	return false
}

// where says where the tab is when something fails.
func (t *Tab) where() string {
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	at, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + ': ' + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(at), " ")
}

// Open goes to an address, as if the person had typed it, and returns the status
// of the page.
func (t *Tab) Open(address string) (status int64) {
	t.t.Helper()
	return do(t, "open "+address, chromedp.NavigateResponse(address)).Status
}

// Press clicks what a CSS selector finds, and waits for the page behind it.
func (t *Tab) Press(selector string) {
	t.t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		t.t.Fatalf("press %s: %v\nat %s", selector, err, t.where())
	}
}

// Click clicks what a CSS selector finds, and waits for nothing.
func (t *Tab) Click(selector string) {
	t.t.Helper()
	do(t, "click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Mouse clicks some times, one after the other, on what a CSS selector finds, and
// waits for nothing.
func (t *Tab) Mouse(selector string, times int) {
	t.t.Helper()
	at := Evaluate[[]float64](t, `(b => { b.scrollIntoView(); const r = b.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })(document.querySelector('`+selector+`'))`)
	for clicks := range times {
		for _, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
			call(t, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: at[0], Y: at[1], Button: input.MouseButtonLeft, ClickCount: int64(clicks + 1)})
		}
	}
}

// Type writes into the field that a CSS selector finds.
func (t *Tab) Type(selector, text string) {
	t.t.Helper()
	do(t, "type into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Back goes back to the page before, which the browser may have kept as it was.
func (t *Tab) Back() {
	t.t.Helper()
	history := do(t, "read the history", chromedp.NavigationEntries())
	before := history.Entries[history.CurrentIndex-1]
	call(t, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: before.ID})
	if !t.Await(func(at string) bool { return strings.HasPrefix(at, before.URL+": ") }) {
		t.t.Fatalf("going back to %s ends at %s", before.URL, t.where())
	}
}

// Location is the address of the page.
func (t *Tab) Location() string {
	t.t.Helper()
	return do(t, "ask for the address", chromedp.Location())
}

// Text is what a person reads on the page.
func (t *Tab) Text() string {
	t.t.Helper()
	return strings.Join(strings.Fields(Evaluate[string](t, `document.body.innerText`)), " ")
}

// Evaluate runs an expression in the page, also where the page itself may run
// nothing, and returns its value.
func Evaluate[T any](t *Tab, expression string) T {
	t.t.Helper()
	return do(t, "evaluate", chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Left is where the tab wanted to go last, though nothing may answer there.
func (t *Tab) Left() string {
	t.watch.mu.Lock()
	defer t.watch.mu.Unlock()
	return t.watch.left
}

// Problems are what the browser has complained about since it was asked last.
func (t *Tab) Problems() []string {
	t.watch.mu.Lock()
	defer t.watch.mu.Unlock()
	found := t.watch.problems
	t.watch.problems = nil
	return found
}

// Check fails the test when the browser has complained, or the page scrolls
// sideways.
func (t *Tab) Check() {
	t.t.Helper()
	for _, what := range append(t.Problems(), t.Overflow()) {
		if what != "" {
			t.t.Errorf("at %s: %s", t.Location(), what)
		}
	}
}

// Overflow says what makes the page scroll sideways; "" when it does not.
func (t *Tab) Overflow() string {
	t.t.Helper()
	return strings.Join(Evaluate[[]string](t, overflowing), " ")
}

// overflowing names what is wider than the window.
const overflowing = `(() => {
	const root = document.documentElement;
	if (root.scrollWidth <= root.clientWidth) return [];
	const wide = [...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > root.clientWidth + 0.5 || e.getBoundingClientRect().left < -0.5);
	return ['it scrolls sideways, ' + root.scrollWidth + ' in ' + root.clientWidth + ' px: ' + wide.map(e => e.localName + '.' + e.className).join(' ')];
})()`

// A Look is how a page is looked at.
type Look struct {
	Width  int64  // of the window, CSS pixels
	Scheme string // "light" or "dark"
	Print  bool
	Forced bool // in the colours of the person's system
}

// Looks are those in which every page must be fit to be seen.
var Looks = []Look{
	{Width: 320, Scheme: "light"}, {Width: 320, Scheme: "dark"},
	{Width: 768, Scheme: "light"}, {Width: 768, Scheme: "dark"},
	{Width: 1280, Scheme: "light"}, {Width: 1280, Scheme: "dark"},
}

// Look changes how the page is looked at.
func (t *Tab) Look(l Look) {
	t.t.Helper()
	media, forced := "", "none"
	if l.Print {
		media = "print"
	}
	if l.Forced {
		forced = "active"
	}
	call(t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: l.Width, Height: windowHeight, DeviceScaleFactor: 1})
	call(t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media, Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: l.Scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}, {Name: "forced-colors", Value: forced},
	}})
}

// windowHeight is the height of the window, in CSS pixels.
const windowHeight = 640

// Keyboard walks the page with the Tab key, and fails the test when it does not
// come to every link, button and field in their order, or when one of them does
// not show that it has the focus.
func (t *Tab) Keyboard() {
	t.t.Helper()
	want := Evaluate[[]string](t, `(window.stops = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary')]
		.filter(e => e.checkVisibility())).map(e => e.outerHTML)`)
	for i, stop := range want {
		do(t, "press Tab", chromedp.KeyEvent(kb.Tab))
		if at := Evaluate[int](t, `stops.indexOf(document.activeElement)`); at != i {
			t.t.Errorf("the Tab key comes to stop %d instead of %d, %s", at, i, stop)
			return
		}
		if !Evaluate[bool](t, `(s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2)(getComputedStyle(document.activeElement))`) {
			t.t.Errorf("nothing shows that this has the focus: %s", stop)
		}
	}
}

// Mirror sets the page from right to left.
func (t *Tab) Mirror() {
	t.t.Helper()
	do(t, "mirror the page", chromedp.Evaluate[chromedp.Void](`document.documentElement.dir = 'rtl'`))
}

// Shot writes a picture of the whole page: WebP, or PNG, by the ending of the
// path. Of a page that fits into the window it is that of the window: beyond it
// Chromium looks from another place, and shifts what is set from right to left.
func (t *Tab) Shot(path string) {
	t.t.Helper()
	quality := int64(shotQuality)
	beyond := Evaluate[bool](t, `document.documentElement.scrollHeight > document.documentElement.clientHeight`)
	params := page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality, CaptureBeyondViewport: &beyond}
	if filepath.Ext(path) == ".png" {
		params.Format, params.Quality = page.CaptureScreenshotFormatPng, nil
	}
	picture := call(t, page.CaptureScreenshot, params).Data
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.t.Fatal(err)
	}
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		t.t.Fatal(err)
	}
}

const shotQuality = 75
