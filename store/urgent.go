package store

import "context"

// urgency is in which order transactions write on SQLite, where one writes at a
// time.
type urgency int

const (
	_ urgency = iota // as they come
	// urgent goes before all others: somebody is signed in and waits.
	urgent
	// lengthy takes its time, and nobody waits for it. It shares its commit with
	// nobody who would then have to wait for it.
	lengthy
)

type urgencyKey struct{}

// Urgent has what is written with the context go before what is not urgent. It
// is for what keeps a session going, or ends it.
func Urgent(ctx context.Context) context.Context {
	return context.WithValue(ctx, urgencyKey{}, urgent)
}

// atLength is for what writes many rows in the background.
func atLength(ctx context.Context) context.Context {
	return context.WithValue(ctx, urgencyKey{}, lengthy)
}

func urgencyOf(ctx context.Context) urgency {
	u, _ := ctx.Value(urgencyKey{}).(urgency)
	return u
}
