package templates

// AccountProfile shows what a user is known by (conformance H-02).
type AccountProfile struct {
	AccountFrame
	// Form changes the display name, which is in FieldName.
	Form

	DisplayName string
	// ManagedBy is the identity provider that says the display name, and
	// PictureManagedBy that of the picture; "" when the person does.
	ManagedBy, PictureManagedBy string
	// Suspended: nothing of it can be changed.
	Suspended bool
	Email     string // "" is not shown

	// WithoutPicture: pictures are not kept here.
	WithoutPicture bool
	// PictureURL is where the picture is; "" when there is none.
	PictureURL string
	// Picture sends another one, which is in FieldPicture, as
	// multipart/form-data.
	Picture       Form
	RemovePicture Form
	// PictureSources are from where one can be taken.
	PictureSources []PictureSource
	// PictureProblem is why a picture was not taken.
	PictureProblem PictureProblem
}

// PictureSource is a linked account whose provider has a picture.
type PictureSource struct {
	Provider string
	Account  string // there; "" is not shown
	Form     Form   // takes it
}

// PictureProblem is why a picture was not taken; of no Kind when there was none.
type PictureProblem struct {
	Kind PictureProblemKind
	// Provider is from where it was to be taken; "" when it was sent.
	Provider string
}

// A PictureProblemKind is what is wrong with a picture.
type PictureProblemKind string

// The kinds.
const (
	PictureTooLarge   PictureProblemKind = "too_large"
	PictureUnreadable PictureProblemKind = "unreadable"
	// PictureNotTaken: the provider's could not be had, or is none.
	PictureNotTaken PictureProblemKind = "not_taken"
)

func (AccountProfile) template() string { return "profile" }
