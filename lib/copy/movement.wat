;; How far two pieces of float32 are apart, four numbers at a time (WebAssembly SIMD).
;;
;; The memory: 16,384 numbers of each at 0 and 65536; as many bfloat16 of each, to be made these, at 131072 and 163840; at
;; 196608 what comes of it: the sums of (b - a)², a·b, a², b² and the largest |b - a| as float64, and how many are equal.
(module
  (memory (export "memory") 4)

  ;; Makes float32 of bfloat16, whose bits they begin with. The count is a multiple of 8.
  (func (export "widen") (param $from i32) (param $to i32) (param $count i32)
    (local $words v128)
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

  ;; Both lanes of a sum of the lower numbers, and of the higher ones.
  (func $total (param $low v128) (param $high v128) (result f64)
    (local.set $low (f64x2.add (local.get $low) (local.get $high)))
    (f64.add (f64x2.extract_lane 0 (local.get $low)) (f64x2.extract_lane 1 (local.get $low))))

  ;; Measures so many numbers, a multiple of 4.
  (func (export "measure") (param $count i32)
    (local $at i32) (local $end i32) (local $a v128) (local $b v128) (local $equal v128) (local $largest v128)
    (local $p v128) (local $q v128) (local $d v128)
    (local $dl v128) (local $dh v128) (local $abl v128) (local $abh v128)
    (local $aal v128) (local $aah v128) (local $bbl v128) (local $bbh v128)
    (local.set $end (i32.shl (local.get $count) (i32.const 2)))
    (block $done
      (br_if $done (i32.eqz (local.get $end)))
      (loop $next
        (local.set $a (v128.load (local.get $at)))
        (local.set $b (v128.load offset=65536 (local.get $at)))
        (local.set $equal (i32x4.sub (local.get $equal) (i32x4.eq (local.get $a) (local.get $b))))
        (local.set $p (f64x2.promote_low_f32x4 (local.get $a)))
        (local.set $q (f64x2.promote_low_f32x4 (local.get $b)))
        (local.set $d (f64x2.sub (local.get $q) (local.get $p)))
        (local.set $dl (f64x2.add (local.get $dl) (f64x2.mul (local.get $d) (local.get $d))))
        (local.set $abl (f64x2.add (local.get $abl) (f64x2.mul (local.get $p) (local.get $q))))
        (local.set $aal (f64x2.add (local.get $aal) (f64x2.mul (local.get $p) (local.get $p))))
        (local.set $bbl (f64x2.add (local.get $bbl) (f64x2.mul (local.get $q) (local.get $q))))
        (local.set $largest (f64x2.pmax (local.get $largest) (f64x2.abs (local.get $d))))
        (local.set $p (f64x2.promote_low_f32x4
          (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $a) (local.get $a))))
        (local.set $q (f64x2.promote_low_f32x4
          (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $b) (local.get $b))))
        (local.set $d (f64x2.sub (local.get $q) (local.get $p)))
        (local.set $dh (f64x2.add (local.get $dh) (f64x2.mul (local.get $d) (local.get $d))))
        (local.set $abh (f64x2.add (local.get $abh) (f64x2.mul (local.get $p) (local.get $q))))
        (local.set $aah (f64x2.add (local.get $aah) (f64x2.mul (local.get $p) (local.get $p))))
        (local.set $bbh (f64x2.add (local.get $bbh) (f64x2.mul (local.get $q) (local.get $q))))
        (local.set $largest (f64x2.pmax (local.get $largest) (f64x2.abs (local.get $d))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))
    (f64.store (i32.const 196608) (call $total (local.get $dl) (local.get $dh)))
    (f64.store (i32.const 196616) (call $total (local.get $abl) (local.get $abh)))
    (f64.store (i32.const 196624) (call $total (local.get $aal) (local.get $aah)))
    (f64.store (i32.const 196632) (call $total (local.get $bbl) (local.get $bbh)))
    (f64.store (i32.const 196640) (f64.max
      (f64x2.extract_lane 0 (local.get $largest)) (f64x2.extract_lane 1 (local.get $largest))))
    (f64.store (i32.const 196648) (f64.convert_i32_u (i32.add
      (i32.add (i32x4.extract_lane 0 (local.get $equal)) (i32x4.extract_lane 1 (local.get $equal)))
      (i32.add (i32x4.extract_lane 2 (local.get $equal)) (i32x4.extract_lane 3 (local.get $equal))))))))
