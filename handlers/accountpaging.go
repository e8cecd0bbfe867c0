package handlers

import "strconv"

// fieldPage numbers the parts of a list that is too long for one page.
const fieldPage = "page"

// page is the number of the page that is wanted, from 0 to last; 0 for what is
// none.
func (v visit) page(last int) int {
	number, _ := strconv.Atoi(v.query.Get(fieldPage)) // what is no number is 0
	return min(max(number, 0), last)
}

// turns lead to the pages before and after one of a list; "" where there is none.
func turns(action string, number int, more bool) (previous, next string) {
	if number > 0 {
		previous = accountURL(action, fieldPage, strconv.Itoa(number-1))
	}
	if more {
		next = accountURL(action, fieldPage, strconv.Itoa(number+1))
	}
	return previous, next
}
