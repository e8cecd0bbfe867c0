package store

import (
	"bytes"
	"io/fs"
)

// What begins a line of a migration that is one database's alone: it is a comment
// for the other.
const (
	postgresOnly = "--postgres "
	sqliteOnly   = "--sqlite "
)

// forDialect shows a database the lines of the migrations that are its alone.
type forDialect struct {
	fs.FS
	only string // postgresOnly or sqliteOnly
}

// Open implements fs.FS.
func (f forDialect) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil || info.IsDir() {
		return file, err
	}
	defer func() { _ = file.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(file); err != nil {
		return nil, err
	}
	shown := bytes.ReplaceAll(text.Bytes(), []byte("\n"+f.only), []byte("\n"))
	return memory{bytes.NewReader(shown), info}, nil
}

// memory is a file in memory.
type memory struct {
	*bytes.Reader
	info fs.FileInfo
}

// Stat implements fs.File. The size is that of the file in the program.
func (m memory) Stat() (fs.FileInfo, error) { return m.info, nil }

// Close implements fs.File.
func (m memory) Close() error { return nil }
