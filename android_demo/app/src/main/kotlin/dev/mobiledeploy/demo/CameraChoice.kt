package dev.mobiledeploy.demo

/** Width and height, as the sensor has them. */
internal data class FrameSize(val width: Int, val height: Int)

/**
 * The smallest size of which both sides have [least] pixels; the largest one if none has.
 *
 * A frame need not be larger than what the network sees of it, and a small one is read sooner.
 */
internal fun frameSize(sizes: List<FrameSize>, least: Int): FrameSize? {
    val byArea = sizes.sortedBy { it.width.toLong() * it.height }
    return byArea.firstOrNull { minOf(it.width, it.height) >= least } ?: byArea.lastOrNull()
}

/**
 * Degrees clockwise that turn a frame upright.
 *
 * @param sensor how the sensor is built in: `SENSOR_ORIENTATION`.
 * @param display how far the screen is turned counter-clockwise: `Surface.ROTATION_*` times 90.
 * @param front whether the camera looks at the user, and so turns the other way.
 */
internal fun frameRotation(sensor: Int, display: Int, front: Boolean): Int =
    Math.floorMod(if (front) sensor + display else sensor - display, 360)

/** Why there is no live picture, with what the screen says of it. */
internal enum class CameraFailure(val title: Int, val hint: Int) {
    NO_CAMERA(R.string.no_lens_title, R.string.no_lens_hint),
    REFUSED(R.string.camera_refused_title, R.string.camera_refused_hint),
    REFUSED_FOR_GOOD(R.string.camera_refused_title, R.string.camera_settings_hint),
    IN_USE(R.string.camera_in_use_title, R.string.camera_in_use_hint),
    DISABLED(R.string.camera_disabled_title, R.string.camera_disabled_hint),
    TAKEN(R.string.camera_taken_title, R.string.camera_taken_hint),
    BROKEN(R.string.camera_broken_title, R.string.camera_broken_hint);

    fun problem(): Problem = Problem(title, hint)
}
