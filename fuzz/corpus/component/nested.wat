(component (component $c (component (core module))) (instance (instantiate $c)) (core module (memory 1) (data (i32.const 0) "x")))
