package store

import "context"

type addressKey struct{}

// WithAddress notes in a context from which IP address a request of a client or
// a person came. Sessions and devices remember it with the writes that they
// cause in any event.
func WithAddress(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// addressFrom is the address that WithAddress has noted; "" when nobody knows.
func addressFrom(ctx context.Context) string {
	address, _ := ctx.Value(addressKey{}).(string)
	return address
}
