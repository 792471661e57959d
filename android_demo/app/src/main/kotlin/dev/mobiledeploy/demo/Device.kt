package dev.mobiledeploy.demo

import android.app.ActivityManager
import android.content.Context
import android.os.Build
import android.os.Process
import android.system.Os
import android.system.OsConstants

/** What a verdict says about the phone it was made on, and how much memory it has. */
internal object Device {
    const val MANUFACTURER = "manufacturer"
    const val MODEL = "model"
    const val ABI = "abi"
    const val ANDROID = "android"
    const val SDK = "sdk"
    const val PAGE_SIZE = "page_size"

    /** Facts by name, for the verdict. */
    fun facts(): Map<String, String> =
        linkedMapOf(
            MANUFACTURER to Build.MANUFACTURER,
            MODEL to Build.MODEL,
            ABI to abi(),
            ANDROID to Build.VERSION.RELEASE,
            SDK to Build.VERSION.SDK_INT.toString(),
            PAGE_SIZE to Os.sysconf(OsConstants._SC_PAGESIZE).toString(),
        )

    /** Of this process: a 64-bit phone may run an app with 32-bit libraries. */
    private fun abi(): String {
        val all =
            if (Process.is64Bit()) Build.SUPPORTED_64_BIT_ABIS else Build.SUPPORTED_32_BIT_ABIS
        return all.firstOrNull() ?: Build.SUPPORTED_ABIS.firstOrNull().orEmpty()
    }

    /**
     * Bytes that the pixels of one photo may take.
     *
     * Bitmaps lie in the app's heap before Android 8, and in the phone's memory since.
     */
    fun freeBytes(context: Context): Long {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.O) {
            val runtime = Runtime.getRuntime()
            return (runtime.maxMemory() - runtime.totalMemory() + runtime.freeMemory()) / 2
        }
        val memory = ActivityManager.MemoryInfo()
        context.getSystemService(ActivityManager::class.java).getMemoryInfo(memory)
        return memory.availMem / 2
    }
}
