(component
  (core module $m (func (export "f") (param i32) (result i32) local.get 0))
  (core instance $i (instantiate $m))
  (func $f (param "x" u32) (result u32) (canon lift (core func $i "f")))
  (instance $e (export "echo" (func $f)))
  (export "demo:echo/echo@1.2.3" (instance $e)))
