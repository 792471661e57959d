import com.github.unidbg.pointer.UnidbgPointer;
import java.io.File;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Runs a {@code .tflite} on an emulated phone, by the C API of Android's own TensorFlow Lite library.
 *
 * <p>Usage: {@code RunTflite LIBRARY MODEL INPUTS OUTPUTS}. INPUTS holds whole inputs, OUTPUTS gets
 * every output of each, in the file's order. The XNNPACK delegate has the library's own default
 * flags, as when an app asks for nothing else. Prints the library's version and these flags.
 */
public final class RunTflite {
    private static final String VERSION = "2.16.1";
    private static final int OPTIONS_BYTES = 24; // num_threads, flags, weights_cache, a bool; of 2.16
    private static final int QS8_AND_QU8 = 3;
    private static final byte UNTOUCHED = (byte) 0xA5;

    private RunTflite() {}

    public static void main(String[] args) throws Exception {
        try (EmulatedPhone phone = new EmulatedPhone(new File(args[0]))) {
            String version = phone.at(phone.call("TfLiteVersion")).getString(0);
            require(VERSION.equals(version), "the library is " + version + ", expected " + VERSION);
            UnidbgPointer xnnpack = xnnpackOptions(phone);
            System.out.println("version " + version + " flags " + xnnpack.getInt(4));

            byte[] model = Files.readAllBytes(Path.of(args[1]));
            long loaded = phone.call("TfLiteModelCreate", phone.put(model), (long) model.length);
            require(loaded != 0, "the library refuses the model");
            long options = phone.call("TfLiteInterpreterOptionsCreate");
            phone.call("TfLiteInterpreterOptionsSetNumThreads", options, 1);
            long delegate = phone.call("TfLiteXNNPackDelegateCreate", xnnpack);
            require(delegate != 0, "no XNNPACK delegate");
            phone.call("TfLiteInterpreterOptionsAddDelegate", options, delegate);
            long interpreter = phone.call("TfLiteInterpreterCreate", loaded, options);
            require(interpreter != 0, "no interpreter");
            succeed(phone.call("TfLiteInterpreterAllocateTensors", interpreter), "allocating");
            byte[] inputs = Files.readAllBytes(Path.of(args[2]));
            try (OutputStream outputs = Files.newOutputStream(Path.of(args[3]))) {
                run(phone, interpreter, inputs, outputs);
            }
        }
    }

    private static void run(EmulatedPhone phone, long interpreter, byte[] inputs, OutputStream outputs)
            throws Exception {
        long input = phone.call("TfLiteInterpreterGetInputTensor", interpreter, 0);
        int size = (int) phone.call("TfLiteTensorByteSize", input);
        int count = (int) phone.call("TfLiteInterpreterGetOutputTensorCount", interpreter);
        require(inputs.length > 0 && inputs.length % size == 0, inputs.length + " bytes of input");
        for (int start = 0; start < inputs.length; start += size) {
            phone.at(phone.call("TfLiteTensorData", input)).write(0, inputs, start, size);
            succeed(phone.call("TfLiteInterpreterInvoke", interpreter), "running");
            for (int k = 0; k < count; k++) {
                long output = phone.call("TfLiteInterpreterGetOutputTensor", interpreter, k);
                int bytes = (int) phone.call("TfLiteTensorByteSize", output);
                outputs.write(phone.at(phone.call("TfLiteTensorData", output)).getByteArray(0, bytes));
            }
        }
    }

    /** Returns the delegate's options, after checking that they have the layout of this version. */
    private static UnidbgPointer xnnpackOptions(EmulatedPhone phone) {
        byte[] filled = new byte[256];
        java.util.Arrays.fill(filled, UNTOUCHED);
        UnidbgPointer options = phone.put(filled);
        phone.callForStruct("TfLiteXNNPackDelegateOptionsDefault", options);
        int written = 0;
        byte[] bytes = options.getByteArray(0, filled.length);
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] != UNTOUCHED) written = i + 1;
        }
        require(written == OPTIONS_BYTES, "XNNPACK's options have " + written + " bytes");
        options.setInt(0, 1);
        require(options.getInt(4) == QS8_AND_QU8, "the delegate's flags are " + options.getInt(4));
        return options;
    }

    private static void succeed(long status, String what) {
        require((int) status == 0, what + " failed with status " + (int) status);
    }

    private static void require(boolean holds, String message) {
        if (!holds) throw new IllegalStateException(message);
    }
}
