/// A message that travels alone: the body of one AMQP message.
public protocol WireMessage: Sendable, Equatable {
    /// Full name in the `.proto` file, such as `rectifid.v1.PersonalizeRequest`.
    static var typeName: String { get }

    /// The message in protobuf's wire format.
    ///
    /// Does not check ranges: call ``validate()`` first where the values come from outside.
    func encode() -> [UInt8]

    /// Reads a message and checks it.
    ///
    /// Bounded in memory by `limits`, whatever the bytes are.
    ///
    /// - Throws: `MessageError`, which names the field, what was wrong and what is allowed.
    static func decode(_ bytes: [UInt8], limits: MessageLimits) throws(MessageError) -> Self

    /// Checks every field against the range that the `.proto` file states.
    ///
    /// - Throws: `MessageError` for the first field that is out of range.
    func validate() throws(MessageError)
}

extension WireMessage {
    public static func decode(_ bytes: [UInt8]) throws(MessageError) -> Self {
        try decode(bytes, limits: .standard)
    }
}

extension WireMessage where Self: Packable {
    static func decodeAndValidate(_ bytes: [UInt8], limits: MessageLimits) throws(MessageError) -> Self {
        let message: Self = try unpack(bytes, limits: limits)
        try message.validate()
        return message
    }
}
