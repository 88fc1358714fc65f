;; Computes without end before its first function is called.
(component
  (core module $code
    (memory 1)
    (func $start (loop $again (br $again)))
    (start $start)
    (func (export "run")))
  (core instance $code (instantiate $code))
  (func $run (canon lift (core func $code "run")))
  (instance $start (export "run" (func $run)))
  (export "hostile:start-spins/start@1.0.0" (instance $start)))
