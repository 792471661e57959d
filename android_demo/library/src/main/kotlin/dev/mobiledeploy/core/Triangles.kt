package dev.mobiledeploy.core

import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min

/**
 * The weights that bring an axis from [source] pixels to [target], `triangle-v1`: integers.
 *
 * Output pixel i is the sum over x in `first(i)..last(i)` of `weight(i, x) * pixel(x)`, divided by
 * `sums[i]`.
 */
internal class Triangles(source: Int, target: Int) {
    /** First source pixel of each output pixel; never falls. */
    val first = IntArray(target)

    /** Last source pixel of each output pixel; never falls. */
    val last = IntArray(target)

    /** Where the weights of each output pixel start in [weights]. */
    val starts = IntArray(target)

    /** The weights of all output pixels, one after the other. */
    val weights: IntArray

    /** Sum of the weights of each output pixel. */
    val sums = LongArray(target)

    init {
        val divisor = gcd(source, target)
        val n = (source / divisor).toLong()
        val m = (target / divisor).toLong()
        val reach = 2 * max(n, m)
        var count = 0
        for (i in 0 until target) {
            val centre = (2L * i + 1) * n
            first[i] = max(0, Math.floorDiv(centre - reach - m, 2 * m) + 1).toInt()
            last[i] = min(source - 1L, -Math.floorDiv(m - centre - reach, 2 * m) - 1).toInt()
            starts[i] = count
            count += last[i] - first[i] + 1
        }
        weights = IntArray(count)
        for (i in 0 until target) {
            val centre = (2L * i + 1) * n
            for (x in first[i]..last[i]) {
                val weight = reach - abs((2L * x + 1) * m - centre)
                weights[starts[i] + x - first[i]] = weight.toInt()
                sums[i] += weight
            }
        }
    }

    /** The weight of source pixel [x], one of `first[i]..last[i]`, in output pixel [i]. */
    fun weight(i: Int, x: Int): Int = weights[starts[i] + x - first[i]]
}

private tailrec fun gcd(a: Int, b: Int): Int = if (b == 0) a else gcd(b, a % b)
