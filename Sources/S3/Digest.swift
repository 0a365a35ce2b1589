import CTransfer

/// SHA-256 and its keyed form, by libcrypto.
enum Digest {
    /// libcrypto refused, which it does when it is out of memory.
    struct Failure: Error {}

    static func sha256(_ bytes: [UInt8]) throws(Failure) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: TRANSFER_DIGEST_SIZE)
        guard transfer_sha256(bytes, bytes.count, &digest) else { throw Failure() }
        return digest
    }

    /// HMAC-SHA256, RFC 2104.
    static func hmac(_ bytes: [UInt8], key: [UInt8]) throws(Failure) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: TRANSFER_DIGEST_SIZE)
        guard transfer_hmac_sha256(key, key.count, bytes, bytes.count, &digest) else { throw Failure() }
        return digest
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".unicodeScalars)
        var text = String.UnicodeScalarView()
        for byte in bytes { text.append(contentsOf: [digits[Int(byte >> 4)], digits[Int(byte & 15)]]) }
        return String(text)
    }
}
