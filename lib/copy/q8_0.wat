;; Numbers as ggml's q8_0, 32 to a block, four at a time (WebAssembly SIMD).
;;
;; The memory: 8192 float32 at 0; as many bfloat16 at 32784; 256 blocks of 34 bytes at 49168, whose scales the caller
;; writes; the largest magnitude of each block, as the bits of a float32, at 57872.
(module
  (memory (export "memory") 1)

  ;; Makes float32 of bfloat16, whose bits they begin with. The count is a multiple of 8.
  (func (export "widen") (param $count i32)
    (local $from i32) (local $to i32) (local $words v128)
    (local.set $from (i32.const 32784))
    (loop $next
      (local.set $words (v128.load (local.get $from)))
      (v128.store (local.get $to)
        (i32x4.shl (i32x4.extend_low_i16x8_u (local.get $words)) (i32.const 16)))
      (v128.store offset=16 (local.get $to)
        (i32x4.shl (i32x4.extend_high_i16x8_u (local.get $words)) (i32.const 16)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (local.set $to (i32.add (local.get $to) (i32.const 32)))
      (local.set $count (i32.sub (local.get $count) (i32.const 8)))
      (br_if $next (i32.gt_s (local.get $count) (i32.const 0)))))

  ;; The larger ones of magnitudes, as bits: they are in the order of their numbers.
  (func $larger (param $magnitudes v128) (param $from i32) (result v128)
    (i32x4.max_u (local.get $magnitudes)
      (v128.and (v128.load (local.get $from)) (v128.const i32x4 0x7fffffff 0x7fffffff 0x7fffffff 0x7fffffff))))

  ;; Four numbers times the inverse of the scale, rounded half away from zero. NaN becomes 0.
  (func $round (param $from i32) (param $inverse v128) (result v128)
    (local $numbers v128) (local $product v128) (local $whole v128) (local $sign v128)
    (local.set $numbers (v128.load (local.get $from)))
    (local.set $product (f32x4.mul (f32x4.abs (local.get $numbers)) (local.get $inverse)))
    (local.set $whole (f32x4.trunc (local.get $product)))
    (local.set $sign (i32x4.shr_s (local.get $numbers) (i32.const 31)))
    ;; A comparison that holds is -1.
    (local.set $whole (i32x4.sub
      (i32x4.trunc_sat_f32x4_s (local.get $whole))
      (f32x4.ge (f32x4.sub (local.get $product) (local.get $whole))
        (v128.const f32x4 0.5 0.5 0.5 0.5))))
    (i32x4.sub (v128.xor (local.get $whole) (local.get $sign)) (local.get $sign)))

  ;; Sixteen numbers, as bytes.
  (func $sixteen (param $from i32) (param $inverse v128) (result v128)
    (i8x16.narrow_i16x8_s
      (i16x8.narrow_i32x4_s
        (call $round (local.get $from) (local.get $inverse))
        (call $round (i32.add (local.get $from) (i32.const 16)) (local.get $inverse)))
      (i16x8.narrow_i32x4_s
        (call $round (i32.add (local.get $from) (i32.const 32)) (local.get $inverse))
        (call $round (i32.add (local.get $from) (i32.const 48)) (local.get $inverse)))))

  ;; Makes blocks of float32, but for the scales.
  (func (export "quantize") (param $blocks i32)
    (local $from i32) (local $to i32) (local $largest i32)
    (local $magnitudes v128) (local $bits i32) (local $scale f32) (local $inverse f32) (local $at i32)
    (local.set $to (i32.const 49168))
    (local.set $largest (i32.const 57872))
    (loop $next
      (local.set $magnitudes (v128.const i32x4 0 0 0 0))
      (local.set $at (local.get $from))
      (loop $more
        (local.set $magnitudes (call $larger (local.get $magnitudes) (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br_if $more (i32.lt_u (local.get $at) (i32.add (local.get $from) (i32.const 128)))))
      (local.set $magnitudes (i32x4.max_u (local.get $magnitudes)
        (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $magnitudes) (local.get $magnitudes))))
      (local.set $magnitudes (i32x4.max_u (local.get $magnitudes)
        (i8x16.shuffle 4 5 6 7 0 1 2 3 12 13 14 15 8 9 10 11 (local.get $magnitudes) (local.get $magnitudes))))
      (local.set $bits (i32x4.extract_lane 0 (local.get $magnitudes)))
      (i32.store (local.get $largest) (local.get $bits))
      (local.set $scale (f32.div (f32.reinterpret_i32 (local.get $bits)) (f32.const 127)))
      (local.set $inverse (f32.div (f32.const 1) (local.get $scale)))
      ;; Of zeros and of numbers so small that it is infinite, nothing is left.
      (if (f32.eq (local.get $inverse) (f32.const inf)) (then (local.set $inverse (f32.const 0))))
      (v128.store offset=2 align=1 (local.get $to)
        (call $sixteen (local.get $from) (f32x4.splat (local.get $inverse))))
      (v128.store offset=18 align=1 (local.get $to)
        (call $sixteen (i32.add (local.get $from) (i32.const 64)) (f32x4.splat (local.get $inverse))))
      (local.set $from (i32.add (local.get $from) (i32.const 128)))
      (local.set $to (i32.add (local.get $to) (i32.const 34)))
      (local.set $largest (i32.add (local.get $largest) (i32.const 4)))
      (local.set $blocks (i32.sub (local.get $blocks) (i32.const 1)))
      (br_if $next (i32.gt_s (local.get $blocks) (i32.const 0))))))
