package dev.mobiledeploy.core

/**
 * Hands the newest of many frames from one thread to a slower one; older ones are dropped.
 *
 * Three slots are used again and again, so that nothing is allocated for each frame: one that is
 * being filled, one that waits, one in use. One thread fills, one thread takes.
 *
 * @param create makes a slot; called at most three times.
 */
public class LatestFrame<T : Any>(private val create: () -> T) {
    private val free = ArrayList<T>()
    private var waiting: T? = null
    private var inUse: T? = null

    /** Frames that were replaced by newer ones before anyone took them. */
    public var dropped: Long = 0
        @Synchronized get
        private set

    /**
     * Fills a slot and makes it the newest frame.
     *
     * @param write fills the slot; if it throws, there is no new frame.
     */
    public fun put(write: (T) -> Unit) {
        val slot = borrow()
        try {
            write(slot)
        } catch (error: Throwable) {
            giveBack(slot)
            throw error
        }
        publish(slot)
    }

    /**
     * Returns the newest frame, or null if there has been none since the last call.
     *
     * It may be used until the next call that returns a frame.
     */
    @Synchronized
    public fun take(): T? {
        val newest = waiting ?: return null
        inUse?.let(free::add)
        inUse = newest
        waiting = null
        return newest
    }

    /** Drops the frame that waits, if one does. */
    @Synchronized
    public fun clear() {
        waiting?.let(free::add)
        waiting = null
    }

    @Synchronized private fun borrow(): T = free.removeLastOrNull() ?: create()

    @Synchronized
    private fun giveBack(slot: T) {
        free.add(slot)
    }

    @Synchronized
    private fun publish(slot: T) {
        waiting?.let {
            free.add(it)
            dropped++
        }
        waiting = slot
    }
}
