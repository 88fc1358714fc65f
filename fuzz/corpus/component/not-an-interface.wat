(component (import "f" (func (param "x" u8))))
