(component
  (import "a:b/c-deferred@1.0.0" (instance
    (export "get-call" (type $call (sub resource)))
    (export "[static]get-call.start" (func (param "id" string) (result (own $call))))
    (export "[method]get-call.get" (func (param "self" (borrow $call)) (result u8)))))
  (import "a:b/c@1.0.0" (instance (export "get" (func (param "id" string) (result u8))))))
