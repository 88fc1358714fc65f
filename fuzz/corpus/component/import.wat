(component
  (import "demo:greeter/greeter@1.0.0" (instance
    (type $error' (variant (case "not-found" string) (case "busy")))
    (export "error" (type $error (eq $error')))
    (export "greet" (func (param "name" string) (result (result string (error $error))))))))
