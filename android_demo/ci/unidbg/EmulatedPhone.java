import com.github.unidbg.Emulator;
import com.github.unidbg.Module;
import com.github.unidbg.Symbol;
import com.github.unidbg.arm.backend.Backend;
import com.github.unidbg.arm.backend.DynarmicFactory;
import com.github.unidbg.file.FileResult;
import com.github.unidbg.file.IOResolver;
import com.github.unidbg.file.linux.AndroidFileIO;
import com.github.unidbg.linux.ARM64SyscallHandler;
import com.github.unidbg.linux.android.AndroidARM64Emulator;
import com.github.unidbg.linux.android.AndroidResolver;
import com.github.unidbg.linux.file.ByteArrayFileIO;
import com.github.unidbg.memory.SvcMemory;
import com.github.unidbg.pointer.UnidbgPointer;
import com.github.unidbg.unix.UnixSyscallHandler;
import com.github.unidbg.virtualmodule.android.AndroidModule;
import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import unicorn.Arm64Const;

/**
 * An arm64 processor in software, with Android's bionic and one shared library: for tests, on a
 * desktop, of the machine code that a phone runs.
 *
 * <p>The processor is a Cortex-A53: NEON, no dot product, no SVE, one core. A phone with more picks
 * other kernels for the same integers.
 */
final class EmulatedPhone implements Closeable {
    private static final int ANDROID = 23; // the bionic that unidbg brings
    private static final boolean ELSE_UNICORN = false;

    /** What cpuinfo, the library that both runtimes carry, reads to choose kernels. */
    private static final Map<String, String> CPU_FILES =
            Map.of(
                    "/sys/devices/system/cpu/possible", "0\n",
                    "/sys/devices/system/cpu/present", "0\n",
                    "/proc/cpuinfo",
                    "processor\t: 0\n"
                            + "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid\n"
                            + "CPU implementer\t: 0x41\n"
                            + "CPU architecture: 8\n"
                            + "CPU variant\t: 0x0\n"
                            + "CPU part\t: 0xd03\n"
                            + "CPU revision\t: 4\n\n"
                            + "Hardware\t: emulated\n");

    private final Processor processor = new Processor();
    private final Module library;

    EmulatedPhone(File file) {
        processor.getMemory().setLibraryResolver(new AndroidResolver(ANDROID));
        processor.getSyscallHandler().addIOResolver(new CpuFiles());
        // libandroid.so, which TensorFlow Lite names and does not use.
        new AndroidModule(processor, processor.createDalvikVM()).register(processor.getMemory());
        library = processor.loadLibrary(file, true);
    }

    /** Calls an exported function; arguments are int, long or UnidbgPointer. */
    long call(String name, Object... args) {
        return symbol(name).call(processor, args).longValue();
    }

    /** Calls a function that returns a struct of over 16 bytes: AAPCS64 passes its place in x8. */
    void callForStruct(String name, UnidbgPointer place) {
        processor.getBackend().reg_write(Arm64Const.UC_ARM64_REG_X8, place.peer);
        symbol(name).call(processor);
    }

    /** Calls a function by its address. */
    long callAddress(long address, Object... args) {
        return Module.emulateFunction(processor, address, args).longValue();
    }

    /** Returns memory of the phone, zeroed. */
    UnidbgPointer allocate(int size) {
        return put(new byte[size]);
    }

    /** Puts bytes into the phone's memory. */
    UnidbgPointer put(byte[] bytes) {
        UnidbgPointer place = processor.getMemory().malloc(bytes.length, true).getPointer();
        place.write(0, bytes, 0, bytes.length);
        return place;
    }

    UnidbgPointer at(long address) {
        return UnidbgPointer.pointer(processor, address);
    }

    private Symbol symbol(String name) {
        Symbol found = library.findSymbolByName(name, false);
        if (found == null) throw new IllegalStateException("the library exports no " + name);
        return found;
    }

    @Override
    public void close() throws IOException {
        processor.close();
    }

    private static final class Processor extends AndroidARM64Emulator {
        Processor() {
            super("mobiledeploy", null, List.of(new DynarmicFactory(ELSE_UNICORN)));
        }

        @Override
        protected UnixSyscallHandler<AndroidFileIO> createSyscallHandler(SvcMemory memory) {
            return new Kernel(memory);
        }
    }

    /** Answers as a kernel without SVE and SME when it is asked how long their vectors are. */
    private static final class Kernel extends ARM64SyscallHandler {
        private static final long PRCTL = 167;
        private static final Set<Long> VECTOR_LENGTHS = Set.of(51L, 64L); // PR_SVE_GET_VL, PR_SME_GET_VL
        private static final long EINVAL = 22;

        Kernel(SvcMemory memory) {
            super(memory);
        }

        @Override
        public void hook(Backend backend, int interrupt, int svc, Object user) {
            if (svc == 0
                    && backend.reg_read(Arm64Const.UC_ARM64_REG_X8).longValue() == PRCTL
                    && VECTOR_LENGTHS.contains(
                            backend.reg_read(Arm64Const.UC_ARM64_REG_X0).longValue())) {
                backend.reg_write(Arm64Const.UC_ARM64_REG_X0, -EINVAL);
            } else {
                super.hook(backend, interrupt, svc, user);
            }
        }
    }

    private static final class CpuFiles implements IOResolver<AndroidFileIO> {
        @Override
        public FileResult<AndroidFileIO> resolve(
                Emulator<AndroidFileIO> emulator, String path, int flags) {
            String text = CPU_FILES.get(path);
            if (text == null) return null;
            byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
            return FileResult.success(new ByteArrayFileIO(flags, path, bytes));
        }
    }
}
