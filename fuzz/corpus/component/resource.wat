(component (import "a:b/c@1.0.0" (instance
  (export "connection" (type $connection (sub resource)))
  (type $options' (record (field "name" string) (field "on" (option (own $connection)))))
  (export "options" (type $options (eq $options')))
  (export "one" (func (param "with" $options))))))
