package dev.mobiledeploy.core

/**
 * How a camera was held: EXIF tag 0x0112.
 *
 * The upright photo is the stored one transposed if [transposed], then its rows reversed if
 * [rowsReversed], then its columns if [columnsReversed].
 *
 * @property exif the tag's value.
 * @property transposed whether stored rows are columns of the upright photo.
 * @property rowsReversed whether the last row is the top.
 * @property columnsReversed whether the last column is the left.
 */
public enum class Orientation(
    public val exif: Int,
    public val transposed: Boolean,
    public val rowsReversed: Boolean,
    public val columnsReversed: Boolean,
) {
    UPRIGHT(1, false, false, false),
    MIRRORED(2, false, false, true),
    UPSIDE_DOWN(3, false, true, true),
    UPSIDE_DOWN_MIRRORED(4, false, true, false),
    TRANSPOSED(5, true, false, false),
    TURNED_LEFT(6, true, false, true),
    TRANSVERSED(7, true, true, true),
    TURNED_RIGHT(8, true, true, false);

    public companion object {
        /** The orientation of an EXIF value; [UPRIGHT] for anything but 1..8. */
        public fun ofExif(value: Int): Orientation =
            values().firstOrNull { it.exif == value } ?: UPRIGHT

        /**
         * The orientation of a picture that is upright after turning it clockwise.
         *
         * @param degrees 0, 90, 180 or 270, CameraX's `rotationDegrees`; other multiples of 90 mean
         *   the same turns.
         * @throws ImageException [degrees] is no multiple of 90.
         */
        public fun ofRotation(degrees: Int): Orientation =
            when (Math.floorMod(degrees, 360)) {
                0 -> UPRIGHT
                90 -> TURNED_LEFT
                180 -> UPSIDE_DOWN
                270 -> TURNED_RIGHT
                else -> throw ImageException("expected a multiple of 90 degrees, received $degrees")
            }
    }
}
