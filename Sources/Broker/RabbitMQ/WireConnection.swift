import CRabbitMQ
import Glibc

/// The one owner of a librabbitmq connection.
///
/// librabbitmq connections must never be shared by threads: an instance belongs to the thread that connected it until
/// it is handed over, then to the other thread alone. Nothing here waits for an answer; the library's own calls that do
/// are not used after the login, since they would hide the frames that arrive meanwhile.
final class WireConnection {
    private let state: amqp_connection_state_t
    /// The socket, to be watched with poll(2).
    let descriptor: Int32
    /// Largest payload of one frame in bytes: the negotiated frame size without its 8 bytes of framing.
    let payloadLimit: Int
    /// The negotiated interval; zero: none.
    let heartbeat: Duration

    /// Takes over a connection that is logged in.
    init(adopting state: amqp_connection_state_t) {
        self.state = state
        descriptor = amqp_get_sockfd(state)
        payloadLimit = max(Int(amqp_get_frame_max(state)), 4096) - 8
        heartbeat = .seconds(Int64(amqp_get_heartbeat(state)))
    }

    deinit { amqp_destroy_connection(state) }

    /// A frame that arrived; pointers are valid until the handler returns.
    enum Frame {
        case method(ServerMethod)
        case header(bodySize: UInt64, MessageProperties)
        case body(UnsafeRawBufferPointer)
    }

    /// Handles frames that have arrived, without waiting.
    /// - Parameters:
    ///   - limit: After how many frames to stop, so that sending gets its turn.
    ///   - handle: Gets the channel and the frame.
    /// - Returns: Whether there may be more.
    /// - Throws: ``BrokerError/disconnected(_:)`` for a lost connection or broken data.
    func receive(limit: Int, _ handle: (UInt16, Frame) throws(BrokerError) -> Void) throws(BrokerError) -> Bool {
        for _ in 0..<limit {
            var frame = amqp_frame_t()
            var atOnce = timeval(tv_sec: 0, tv_usec: 0)
            let status = amqp_simple_wait_frame_noblock(state, &frame, &atOnce)
            if status == AMQP_STATUS_TIMEOUT.rawValue { return false }
            guard status == AMQP_STATUS_OK.rawValue else { throw Self.lost(status) }
            switch Int32(frame.frame_type) {
            case AMQP_FRAME_METHOD: try handle(frame.channel, .method(ServerMethod(frame.payload.method)))
            case AMQP_FRAME_HEADER: try handle(frame.channel, try Self.header(frame))
            case AMQP_FRAME_BODY:
                let fragment = frame.payload.body_fragment
                try handle(frame.channel, .body(UnsafeRawBufferPointer(start: fragment.bytes, count: fragment.len)))
            default: break
            }
            // All was copied; without this the library keeps every frame of the channel.
            amqp_maybe_release_buffers_on_channel(state, frame.channel)
        }
        return true
    }

    private static func header(_ frame: amqp_frame_t) throws(BrokerError) -> Frame {
        let header = frame.payload.properties
        guard header.class_id == 60, let decoded = header.decoded else {
            throw .disconnected("the broker sent a content header of class \(header.class_id)")
        }
        return .header(
            bodySize: header.body_size,
            MessageProperties(decoded.assumingMemoryBound(to: amqp_basic_properties_t.self).pointee))
    }

    func send(_ method: ClientMethod, on channel: UInt16) throws(BrokerError) {
        try check(method.withWireForm { amqp_send_method(state, channel, $0, $1) })
    }

    func sendHeader(_ properties: MessageProperties, bodySize: Int, on channel: UInt16) throws(BrokerError) {
        let arena = FieldArena()
        var wire = properties.wireForm(in: arena)
        let status = withUnsafeMutablePointer(to: &wire) { pointer in
            var frame = amqp_frame_t()
            frame.frame_type = UInt8(AMQP_FRAME_HEADER)
            frame.channel = channel
            frame.payload.properties.class_id = 60
            frame.payload.properties.body_size = UInt64(bodySize)
            frame.payload.properties.decoded = UnsafeMutableRawPointer(pointer)
            return withExtendedLifetime(arena) { amqp_send_frame(state, &frame) }
        }
        try check(status)
    }

    /// Sends one piece of a body, at most ``payloadLimit`` bytes.
    func sendBody(_ piece: UnsafeRawBufferPointer, on channel: UInt16) throws(BrokerError) {
        var frame = amqp_frame_t()
        frame.frame_type = UInt8(AMQP_FRAME_BODY)
        frame.channel = channel
        frame.payload.body_fragment = amqp_bytes_t(
            len: piece.count, bytes: UnsafeMutableRawPointer(mutating: piece.baseAddress))
        try check(amqp_send_frame(state, &frame))
    }

    func sendHeartbeat() throws(BrokerError) {
        var frame = amqp_frame_t()
        frame.frame_type = UInt8(AMQP_FRAME_HEARTBEAT)
        try check(amqp_send_frame(state, &frame))
    }

    /// Collects small frames into full packets while `corked`, so that a burst is not one packet per frame.
    func cork(_ corked: Bool) {
        var value: Int32 = corked ? 1 : 0
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_CORK, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Says goodbye and waits briefly for the answer.
    func close() {
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        amqp_set_rpc_timeout(state, &limit)
        _ = amqp_connection_close(state, AMQP_REPLY_SUCCESS)
    }

    private func check(_ status: Int32) throws(BrokerError) {
        guard status == AMQP_STATUS_OK.rawValue else { throw Self.lost(status) }
    }

    private static func lost(_ status: Int32) -> BrokerError {
        .disconnected(amqp_error_string2(status).map { String(cString: $0) } ?? "librabbitmq status \(status)")
    }
}
