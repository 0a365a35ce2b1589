import CMessages
import CProtobufC

/// Asks workers who they are, what they hold and what they are doing.
public struct DescribeRequest: Sendable, Equatable {
    /// Only this worker need reply; `nil` for all.
    public var workerID: String?

    public init(workerID: String? = nil) {
        self.workerID = workerID
    }
}

extension DescribeRequest: WireMessage, Packable {
    public static let typeName = "rectifid.v1.DescribeRequest"
    static let messageName = "DescribeRequest"
    static var emptyCForm: Rectifid__V1__DescribeRequest { empty(rectifid__v1__describe_request__init) }

    public func encode() -> [UInt8] { pack(self) }

    public static func decode(_ bytes: [UInt8], limits: MessageLimits) throws(MessageError) -> DescribeRequest {
        try decodeAndValidate(bytes, limits: limits)
    }

    public func validate() throws(MessageError) {
        if let workerID { try FieldPath("worker_id").check(workerID, bytes: 1...200) }
    }

    init(_ c: Rectifid__V1__DescribeRequest, at field: FieldPath) throws(MessageError) {
        self.init(workerID: try c.worker_id.textIfAny(at: field.child("worker_id")))
    }

    func cForm(in arena: CArena) -> Rectifid__V1__DescribeRequest {
        var c = Self.emptyCForm
        c.worker_id = arena.text(workerID ?? "")
        return c
    }
}
