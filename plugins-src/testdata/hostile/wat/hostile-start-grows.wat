;; Asks for more memory than it may have before its first function is called, and traps.
(component
  (core module $code
    (memory 1)
    (func $start (if (i32.eq (memory.grow (i32.const 1024)) (i32.const -1)) (then unreachable)))
    (start $start)
    (func (export "run")))
  (core instance $code (instantiate $code))
  (func $run (canon lift (core func $code "run")))
  (instance $start (export "run" (func $run)))
  (export "hostile:start/start@1.0.0" (instance $start)))
