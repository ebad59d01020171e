package framing

// longest returns the length of the longest payload that v may have: what its
// lengths can say, within the limits. It is exact unless the sizes of other fields
// that a length counts vary.
func (v *variant) longest() (most int64) {
	if v.payload.close {
		return v.maxPayload
	}
	for i := range v.fields {
		f := &v.fields[i]
		if f.counts == countNothing {
			continue
		}
		value := f.max
		if value == 0 && f.kind == kindUint && f.size < 8 {
			value = 1<<(8*f.size) - 1
		} else if value == 0 && f.kind == kindLEB128 && f.size < 9 {
			value = 1<<(7*f.size) - 1
		}
		if value == 0 || value > uint64(limitPayload/f.times) {
			return v.maxPayload
		}
		n := int64(value)*f.times + f.plus
		switch f.counts {
		case countWhole:
			n -= int64(v.minHeader + v.trailerSize)
		case countRest:
			n -= int64(v.trailerSize)
			for j := i + 1; j < len(v.fields); j++ {
				if v.fields[j].when == nil {
					n -= int64(v.fields[j].shortest())
				}
			}
		}
		most = max(most, n)
	}
	return min(most, v.maxPayload)
}
