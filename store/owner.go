package store

// ownerColumns are the user and the client that a code, a grant or a session
// belongs to, read in the statement that reads the row itself.
type ownerColumns struct {
	Account          accountColumns `gorm:"embedded"`
	ClientMetadata   string
	ClientSecretHash []byte
	ClientCreatedAt  int64
}

// selectOwner names ownerColumns where u are the users and c the clients, with
// defaults for a client that is configured and so has no row. Store.owner makes
// the client of them.
const selectOwner = `u.locked_at, u.suspended_at, u.deactivated_at, COALESCE(u.marked_admin_by, '') AS marked_admin_by,
	COALESCE(c.metadata, '') AS client_metadata, c.secret_hash AS client_secret_hash, COALESCE(c.created_at, 0) AS client_created_at`
