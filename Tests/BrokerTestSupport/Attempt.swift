/// Runs a body, and afterwards what puts things back, whether or not the body threw.
///
/// For cleanup that must wait, which `defer` cannot. Where both throw, the body's error is the one that says what is
/// wrong: the cleanup's mostly follows from it.
@discardableResult
public func attempt<Value>(
    _ body: () async throws -> Value, cleanup: () async throws -> Void
) async throws -> Value {
    let value: Value
    do {
        value = try await body()
    } catch {
        try? await cleanup()
        throw error
    }
    try await cleanup()
    return value
}
