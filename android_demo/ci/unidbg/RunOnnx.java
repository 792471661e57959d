import com.github.unidbg.pointer.UnidbgPointer;
import java.io.File;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Runs an {@code .onnx} on an emulated phone, by the C API of Android's own ONNX Runtime library.
 *
 * <p>Usage: {@code RunOnnx LIBRARY MODEL INPUTS OUTPUTS SIDE TYPE INPUT OUTPUT...}: the square image's
 * side, the input's type as a number of ONNX, and the names of the input and of the outputs to give
 * out. INPUTS holds whole inputs, OUTPUTS gets the outputs of each. Prints the library's version.
 */
public final class RunOnnx {
    private static final String VERSION = "1.29.0";
    private static final int API = 29;
    private static final int DEVICE_ALLOCATOR = 0;
    private static final int DEFAULT_MEMORY = 0;
    private static final int WARNINGS = 2;

    /** Places of functions in OrtApi, which only ever grows at its end: onnxruntime_c_api.h. */
    private enum Fn {
        GET_ERROR_MESSAGE(2),
        CREATE_ENV(3),
        CREATE_SESSION_FROM_ARRAY(8),
        RUN(9),
        CREATE_SESSION_OPTIONS(10),
        SET_INTRA_OP_NUM_THREADS(24),
        CREATE_TENSOR_WITH_DATA(49),
        GET_TENSOR_MUTABLE_DATA(51),
        GET_TENSOR_SHAPE_ELEMENT_COUNT(64),
        GET_TENSOR_TYPE_AND_SHAPE(65),
        CREATE_CPU_MEMORY_INFO(69),
        GET_TENSOR_ELEMENT_TYPE(60);

        final int place;

        Fn(int place) {
            this.place = place;
        }
    }

    private final EmulatedPhone phone;
    private final UnidbgPointer api;

    private RunOnnx(EmulatedPhone phone) {
        this.phone = phone;
        UnidbgPointer base = phone.at(phone.call("OrtGetApiBase"));
        String version = phone.at(phone.callAddress(base.getLong(8))).getString(0);
        if (!VERSION.equals(version)) throw new IllegalStateException("version " + version);
        System.out.println("version " + version);
        this.api = phone.at(phone.callAddress(base.getLong(0), API));
    }

    public static void main(String[] args) throws Exception {
        try (EmulatedPhone phone = new EmulatedPhone(new File(args[0]))) {
            RunOnnx runner = new RunOnnx(phone);
            String[] outputs = java.util.Arrays.copyOfRange(args, 7, args.length);
            byte[] inputs = Files.readAllBytes(Path.of(args[2]));
            try (OutputStream out = Files.newOutputStream(Path.of(args[3]))) {
                long session = runner.open(Files.readAllBytes(Path.of(args[1])));
                int side = Integer.parseInt(args[4]);
                int type = Integer.parseInt(args[5]);
                runner.run(session, inputs, side, type, args[6], outputs, out);
            }
        }
    }

    private long open(byte[] model) {
        long env = made(Fn.CREATE_ENV, WARNINGS, text("mobiledeploy"));
        long options = made(Fn.CREATE_SESSION_OPTIONS);
        done(Fn.SET_INTRA_OP_NUM_THREADS, options, 1);
        return made(
                Fn.CREATE_SESSION_FROM_ARRAY, env, phone.put(model), (long) model.length, options);
    }

    private void run(
            long session, byte[] inputs, int side, int type, String input, String[] outputs, OutputStream out)
            throws Exception {
        int size = side * side * 3 * bytesOf(type);
        if (inputs.length == 0 || inputs.length % size != 0) {
            throw new IllegalStateException(inputs.length + " bytes of input");
        }
        long memory = made(Fn.CREATE_CPU_MEMORY_INFO, DEVICE_ALLOCATOR, DEFAULT_MEMORY);
        UnidbgPointer image = phone.allocate(size);
        UnidbgPointer shape = longs(1, side, side, 3);
        long tensor =
                made(Fn.CREATE_TENSOR_WITH_DATA, memory, image, (long) size, shape, 4L, type);
        long[] names = new long[outputs.length];
        for (int k = 0; k < names.length; k++) names[k] = text(outputs[k]).peer;
        for (int start = 0; start < inputs.length; start += size) {
            image.write(0, inputs, start, size);
            UnidbgPointer results = phone.allocate(8 * names.length);
            done(
                    Fn.RUN, session, 0L, longs(text(input).peer), longs(tensor), 1L,
                    longs(names), (long) names.length, results);
            for (int k = 0; k < names.length; k++) out.write(bytes(results.getLong(8L * k)));
        }
    }

    private byte[] bytes(long tensor) {
        long info = made(Fn.GET_TENSOR_TYPE_AND_SHAPE, tensor);
        long count = made(Fn.GET_TENSOR_SHAPE_ELEMENT_COUNT, info);
        int type = (int) made(Fn.GET_TENSOR_ELEMENT_TYPE, info);
        long data = made(Fn.GET_TENSOR_MUTABLE_DATA, tensor);
        return phone.at(data).getByteArray(0, (int) count * bytesOf(type));
    }

    /** Of ONNXTensorElementDataType: 1 is float, 2 uint8, 3 int8. */
    private static int bytesOf(int type) {
        if (type < 1 || type > 3) throw new IllegalStateException("ONNX type " + type);
        return type == 1 ? 4 : 1;
    }

    /** Calls a function whose last argument is where to put what it makes. */
    private long made(Fn function, Object... args) {
        UnidbgPointer place = phone.allocate(8);
        Object[] all = java.util.Arrays.copyOf(args, args.length + 1);
        all[args.length] = place;
        done(function, all);
        return place.getLong(0);
    }

    private void done(Fn function, Object... args) {
        long status = phone.callAddress(api.getLong(8L * function.place), args);
        if (status != 0) {
            long message =
                    phone.callAddress(api.getLong(8L * Fn.GET_ERROR_MESSAGE.place), status);
            throw new IllegalStateException(function + ": " + phone.at(message).getString(0));
        }
    }

    private UnidbgPointer text(String value) {
        return phone.put((value + "\0").getBytes(StandardCharsets.UTF_8));
    }

    private UnidbgPointer longs(long... values) {
        UnidbgPointer place = phone.allocate(Long.BYTES * values.length);
        for (int k = 0; k < values.length; k++) place.setLong(8L * k, values[k]);
        return place;
    }
}
