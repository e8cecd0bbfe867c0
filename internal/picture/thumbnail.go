package picture

import (
	"context"
	"image"
)

// Thumbnail makes a picture smaller, for somebody who wants one of at least
// width and height pixels: of the same shape, or with crop of the shape of these
// sides (CS-API "Thumbnails"). It is never larger than it was, and what is not to
// be smaller comes back as it is. Errors are those of Read.
func Thumbnail(ctx context.Context, p Picture, width, height int, crop bool) (Picture, error) {
	small := p
	err := decode(ctx, p.Content, func(m image.Image) error {
		b := m.Bounds()
		if width >= b.Dx() && height >= b.Dy() {
			return nil
		}
		w, h := covering(b.Dx(), b.Dy(), width, height)
		if crop {
			b = middle(b, width, height)
			w, h = min(width, b.Dx()), min(height, b.Dy())
		}
		if w == m.Bounds().Dx() && h == m.Bounds().Dy() {
			return nil
		}
		var err error
		small, err = encode(scale(m, b, w, h), p.ContentType)
		return err
	})
	return small, err
}

// covering are the sides of a picture of w and h pixels that is made as small as
// it can be without being smaller than what is wanted.
func covering(w, h, width, height int) (int, int) {
	switch {
	case width >= w || height >= h:
		return w, h
	case width*h >= height*w:
		return width, max(1, (h*width+w-1)/w)
	}
	return max(1, (w*height+h-1)/h), height
}

// middle is the largest part of the shape of width and height that a picture has
// in its middle.
func middle(b image.Rectangle, width, height int) image.Rectangle {
	w, h := b.Dx(), b.Dy()
	if w*height > h*width {
		w = max(1, h*width/height)
	} else {
		h = max(1, w*height/width)
	}
	at := image.Pt(b.Min.X+(b.Dx()-w)/2, b.Min.Y+(b.Dy()-h)/2)
	return image.Rectangle{Min: at, Max: at.Add(image.Pt(w, h))}
}
