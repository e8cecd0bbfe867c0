package picture

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"

	"golang.org/x/image/webp"
	"golang.org/x/sync/semaphore"
)

// format is a kind of file that is read.
type format struct {
	// magic is what the file begins with; a ? stands for any byte.
	magic  string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	// memory is how many bytes decoding takes for each pixel, at most.
	memory func(file []byte) int64
}

var formats = []format{
	{"\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode, jpegMemory},
	{"\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode, always(12)}, // 64 bits a pixel, and half of them once more where it is interlaced
	{"GIF87a", gif.DecodeConfig, gif.Decode, always(2)},
	{"GIF89a", gif.DecodeConfig, gif.Decode, always(2)},
	{"RIFF????WEBPVP8", webp.DecodeConfig, webp.Decode, always(12)},
}

func always(n int64) func([]byte) int64 { return func([]byte) int64 { return n } }

// formatOf is the format that a file begins like, or nil. What a client calls it
// is not asked.
func formatOf(file []byte) *format {
	for i, f := range formats {
		if len(file) >= len(f.magic) && like(f.magic, file) {
			return &formats[i]
		}
	}
	return nil
}

func like(magic string, file []byte) bool {
	for i, c := range []byte(magic) {
		if c != '?' && c != file[i] {
			return false
		}
	}
	return true
}

const (
	// maxMemory is what all pictures together take that this process is reading:
	// a little more than the largest one.
	maxMemory = 340 << 20
	// workMemory is what each takes besides its pixels, for being scaled.
	workMemory = 32 << 20
	// maxScans is how often a JPEG may go over its pixels. Encoders do so some ten
	// times; a small file can do so a hundred thousand times.
	maxScans = 100
)

var memory = semaphore.NewWeighted(maxMemory)

// decode reads the pixels of a file, once it is known that they are not too many
// and when there is memory for them, and has do work on them.
func decode(ctx context.Context, file []byte, do func(image.Image) error) error {
	f := formatOf(file)
	if f == nil {
		return ErrNoPicture
	}
	c, err := f.config(bytes.NewReader(file))
	if err != nil || c.Width <= 0 || c.Height <= 0 {
		return ErrNoPicture
	}
	pixels := int64(c.Width) * int64(c.Height)
	if int64(c.Width) > MaxPixels || int64(c.Height) > MaxPixels || pixels > MaxPixels {
		return ErrTooLarge
	}
	need := pixels*f.memory(file) + workMemory
	switch {
	case need > maxMemory:
		return ErrTooLarge
	case strings.HasPrefix(f.magic, "\xff\xd8") && bytes.Count(file, []byte("\xff\xda")) > maxScans:
		return ErrNoPicture
	}
	if err := memory.Acquire(ctx, need); err != nil {
		return fmt.Errorf("wait for memory for a picture: %w", err)
	}
	defer memory.Release(need)
	limited, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	m, err := f.decode(&patient{limited, bytes.NewReader(file)})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("read a picture: %w", ctx.Err())
	case err != nil:
		return ErrNoPicture
	}
	return do(m)
}

// patient is a file that cannot be read any more once its context has ended: the
// decoders know of none.
type patient struct {
	ctx  context.Context
	file *bytes.Reader
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.file.Read(b[:min(len(b), 4<<10)])
}
