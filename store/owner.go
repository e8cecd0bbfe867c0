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
// defaults for a session without a client.
const selectOwner = `u.locked_at, u.suspended_at, u.deactivated_at,
	COALESCE(c.metadata, '') AS client_metadata, c.secret_hash AS client_secret_hash, COALESCE(c.created_at, 0) AS client_created_at`

// client is the client of that id.
func (o ownerColumns) client(id string) (*Client, error) {
	return clientRow{ID: id, Metadata: o.ClientMetadata, SecretHash: o.ClientSecretHash, CreatedAt: o.ClientCreatedAt}.client()
}
