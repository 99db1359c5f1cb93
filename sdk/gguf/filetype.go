package gguf

import "slices"

// FileType is what a file says of how its weights were quantised: general.file_type.
type FileType uint32

// fileType is a name with the tensor types of which such a file mostly consists.
type fileType struct {
	name   string
	mostly []TensorType
}

// describe returns what is known of a file type.
func (t FileType) describe() (fileType, bool) {
	of := func(name string, mostly ...TensorType) (fileType, bool) { return fileType{name, mostly}, true }
	switch t {
	case 0:
		return of("F32", F32)
	case 1:
		return of("F16", F16)
	case 2:
		return of("Q4_0", Q4_0)
	case 3:
		return of("Q4_1", Q4_1)
	case 7:
		return of("Q8_0", Q8_0)
	case 8:
		return of("Q5_0", Q5_0)
	case 9:
		return of("Q5_1", Q5_1)
	case 10:
		return of("Q2_K", Q2K, Q3K)
	case 11:
		return of("Q3_K_S", Q3K)
	case 12:
		return of("Q3_K_M", Q3K, Q4K)
	case 13:
		return of("Q3_K_L", Q3K, Q5K)
	case 14:
		return of("Q4_K_S", Q4K)
	case 15:
		return of("Q4_K_M", Q4K)
	case 16:
		return of("Q5_K_S", Q5K)
	case 17:
		return of("Q5_K_M", Q5K)
	case 18:
		return of("Q6_K", Q6K)
	case 21:
		return of("Q2_K_S", Q2K)
	case 32:
		return of("BF16", BF16)
	default:
		return t.describeRecent()
	}
}

// describeRecent is describe for the types of very few bits.
func (t FileType) describeRecent() (fileType, bool) {
	of := func(name string, mostly ...TensorType) (fileType, bool) { return fileType{name, mostly}, true }
	switch t {
	case 19:
		return of("IQ2_XXS", IQ2XXS)
	case 20:
		return of("IQ2_XS", IQ2XS)
	case 22:
		return of("IQ3_XS", IQ3S, IQ3XXS)
	case 23:
		return of("IQ3_XXS", IQ3XXS)
	case 24:
		return of("IQ1_S", IQ1S)
	case 25:
		return of("IQ4_NL", IQ4NL)
	case 26:
		return of("IQ3_S", IQ3S)
	case 27:
		return of("IQ3_M", IQ3S)
	case 28:
		return of("IQ2_S", IQ2XS, IQ2S)
	case 29:
		return of("IQ2_M", IQ2S)
	case 30:
		return of("IQ4_XS", IQ4XS)
	case 31:
		return of("IQ1_M", IQ1M)
	case 36:
		return of("TQ1_0", TQ1)
	case 37:
		return of("TQ2_0", TQ2)
	case 38:
		return of("MXFP4_MOE", MXFP4)
	case 39:
		return of("NVFP4", NVFP4)
	case 40:
		return of("Q1_0", Q1_0)
	case 41:
		return of("Q2_0", Q2_0)
	}
	return fileType{}, false
}

// Known reports whether the number is one that is known.
func (t FileType) Known() bool {
	_, known := t.describe()
	return known
}

// String returns the name by which people know the quantisation, such as "Q4_K_M". It
// is "unknown" for a number that isn't known.
func (t FileType) String() string {
	if d, known := t.describe(); known {
		return d.name
	}
	return "unknown"
}

// made reports whether files of that type mostly consist of such tensors.
func (t FileType) made(of TensorType) bool {
	d, _ := t.describe()
	return slices.Contains(d.mostly, of)
}
