;; Takes all the memory it can get: in four memories, in four tables, by writing to all of it again and again.
(component
  ;; One memory and one table, and what can be done to them.
  (core module $block
    (memory (export "memory") 1)
    (table $table 1 funcref)

    ;; Grows in ever smaller steps until not even one page is given, and says how many pages there are.
    (func $grow (export "grow") (result i32)
      (local $step i32)
      (local.set $step (i32.const 1024))
      (loop $again
        (if (i32.eq (memory.grow (local.get $step)) (i32.const -1))
          (then (local.set $step (i32.shr_u (local.get $step) (i32.const 1)))))
        (br_if $again (local.get $step)))
      (memory.size))

    (func (export "grow-table") (result i32)
      (local $step i32)
      (local.set $step (i32.const 65536))
      (loop $again
        (if (i32.eq (table.grow $table (ref.null func) (local.get $step)) (i32.const -1))
          (then (local.set $step (i32.shr_u (local.get $step) (i32.const 1)))))
        (br_if $again (local.get $step)))
      (table.size $table))

    (func (export "fill")
      (memory.fill (i32.const 0) (i32.const 0xa5) (i32.mul (memory.size) (i32.const 65536))))

    (func (export "fill-without-end")
      (drop (call $grow))
      (loop $again
        (memory.fill (i32.const 0) (i32.const 0xa5) (i32.mul (memory.size) (i32.const 65536)))
        (br $again)))

    (func (export "copy-without-end")
      (drop (call $grow))
      (loop $again
        (memory.copy (i32.const 0) (i32.const 8) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)))
        (br $again))))

  (core instance $a (instantiate $block))
  (core instance $b (instantiate $block))
  (core instance $c (instantiate $block))
  (core instance $d (instantiate $block))

  (core module $attacks
    (import "a" "grow" (func $a-grow (result i32)))
    (import "b" "grow" (func $b-grow (result i32)))
    (import "c" "grow" (func $c-grow (result i32)))
    (import "d" "grow" (func $d-grow (result i32)))
    (import "a" "grow-table" (func $a-grow-table (result i32)))
    (import "b" "grow-table" (func $b-grow-table (result i32)))
    (import "c" "grow-table" (func $c-grow-table (result i32)))
    (import "d" "grow-table" (func $d-grow-table (result i32)))
    (import "a" "fill" (func $a-fill))
    (import "b" "fill" (func $b-fill))
    (import "c" "fill" (func $c-fill))
    (import "d" "fill" (func $d-fill))

    (func $grow (export "grow") (result i32)
      (i32.add (i32.add (call $a-grow) (call $b-grow)) (i32.add (call $c-grow) (call $d-grow))))

    (func (export "grow-and-trap")
      (drop (call $grow))
      unreachable)

    ;; Each memory may have a quarter, and each of them is asked for a quarter and a page.
    (func (export "grow-tables") (result i32)
      (i32.add
        (i32.add (call $a-grow-table) (call $b-grow-table))
        (i32.add (call $c-grow-table) (call $d-grow-table))))

    ;; So that each table's elements count beside the memory.
    (func (export "grow-all") (result i32)
      (drop (call $a-grow-table))
      (drop (call $b-grow-table))
      (drop (call $c-grow-table))
      (drop (call $d-grow-table))
      (call $grow))

    (func (export "fill") (result i32)
      (local $pages i32)
      (local.set $pages (call $grow))
      (call $a-fill)
      (call $b-fill)
      (call $c-fill)
      (call $d-fill)
      (local.get $pages)))

  (core instance $attacks (instantiate $attacks
    (with "a" (instance $a)) (with "b" (instance $b)) (with "c" (instance $c)) (with "d" (instance $d))))

  (func $grow (result u32) (canon lift (core func $attacks "grow")))
  (func $grow-and-trap (canon lift (core func $attacks "grow-and-trap")))
  (func $grow-tables (result u32) (canon lift (core func $attacks "grow-tables")))
  (func $grow-all (result u32) (canon lift (core func $attacks "grow-all")))
  (func $fill (result u32) (canon lift (core func $attacks "fill")))
  (func $fill-without-end (canon lift (core func $a "fill-without-end")))
  (func $copy-without-end (canon lift (core func $a "copy-without-end")))
  (instance $memory
    (export "grow" (func $grow))
    (export "grow-and-trap" (func $grow-and-trap))
    (export "grow-tables" (func $grow-tables))
    (export "grow-all" (func $grow-all))
    (export "fill" (func $fill))
    (export "fill-without-end" (func $fill-without-end))
    (export "copy-without-end" (func $copy-without-end)))
  (export "hostile:memory/memory@1.0.0" (instance $memory)))
