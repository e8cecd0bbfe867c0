package picture

import (
	"image"
	"image/color"

	"golang.org/x/image/draw"
)

// scale draws a part of a picture with sides of w and h pixels.
func scale(m image.Image, part image.Rectangle, w, h int) *image.RGBA {
	// What is much larger is averaged first: that takes little memory, and no
	// pixel is left out.
	if nx, ny := part.Dx()/w, part.Dy()/h; nx > 1 || ny > 1 {
		m = average(m, part, max(1, nx), max(1, ny))
		part = m.Bounds()
	}
	scaled := image.NewRGBA(image.Rect(0, 0, w, h))
	if part.Dx() == w && part.Dy() == h {
		draw.Draw(scaled, scaled.Bounds(), m, part.Min, draw.Src)
	} else {
		draw.CatmullRom.Scale(scaled, scaled.Bounds(), m, part, draw.Src, nil)
	}
	return scaled
}

// average makes one pixel of every nx × ny of a part of a picture.
func average(m image.Image, part image.Rectangle, nx, ny int) *image.RGBA {
	at := func(x, y int) color.RGBA64 {
		r, g, b, a := m.At(x, y).RGBA()
		return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
	}
	if quick, ok := m.(image.RGBA64Image); ok {
		at = quick.RGBA64At
	}
	averaged := image.NewRGBA(image.Rect(0, 0, (part.Dx()+nx-1)/nx, (part.Dy()+ny-1)/ny))
	for y := range averaged.Rect.Dy() {
		for x := range averaged.Rect.Dx() {
			block := image.Rect(x*nx, y*ny, (x+1)*nx, (y+1)*ny).Add(part.Min).Intersect(part)
			var r, g, b, a uint64
			for v := block.Min.Y; v < block.Max.Y; v++ {
				for u := block.Min.X; u < block.Max.X; u++ {
					c := at(u, v)
					r, g, b, a = r+uint64(c.R), g+uint64(c.G), b+uint64(c.B), a+uint64(c.A)
				}
			}
			n := uint64(block.Dx() * block.Dy())
			averaged.SetRGBA(x, y, color.RGBA{R: uint8(r / n >> 8), G: uint8(g / n >> 8), B: uint8(b / n >> 8), A: uint8(a / n >> 8)})
		}
	}
	return averaged
}

// upright turns a picture the way up that an orientation says.
func upright(m *image.RGBA, orientation int) *image.RGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	// from is the pixel that comes to x and y.
	from := map[int]func(x, y int) (int, int){
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, h - 1 - x },
		7: func(x, y int) (int, int) { return w - 1 - y, h - 1 - x },
		8: func(x, y int) (int, int) { return w - 1 - y, x },
	}[orientation]
	if from == nil {
		return m
	}
	turned := image.NewRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 {
		turned = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range turned.Rect.Dy() {
		for x := range turned.Rect.Dx() {
			turned.SetRGBA(x, y, m.RGBAAt(from(x, y)))
		}
	}
	return turned
}
