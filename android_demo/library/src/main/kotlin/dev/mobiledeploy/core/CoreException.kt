package dev.mobiledeploy.core

/** What this module throws. The message says what was expected and received, for the screen. */
public sealed class CoreException(override val message: String, cause: Throwable? = null) :
    Exception(message, cause)

/** `contract.json` is not a contract of this app's format, or contradicts itself. */
public class ContractException(message: String, cause: Throwable? = null) :
    CoreException(message, cause)

/** An asset is missing, damaged, or does not belong to the others. */
public class BundleException(message: String, cause: Throwable? = null) :
    CoreException(message, cause)

/** `golden.npz` is damaged, does not fit the contract, or would prove nothing. */
public class GoldenException(message: String, cause: Throwable? = null) :
    CoreException(message, cause)

/** The model that a runtime opened is not the one that the contract describes. */
public class ModelMismatchException(message: String) : CoreException(message)

/**
 * A runtime refused the model or failed to run it; an [Engine] wraps its runtime's exceptions so.
 */
public class EngineException(message: String, cause: Throwable? = null) :
    CoreException(message, cause)

/** The picture cannot be an input: it is empty or too large. */
public class ImageException(message: String) : CoreException(message)
