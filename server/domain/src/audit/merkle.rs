//! Merkle tree roots of RFC 6962 section 2.1 (SHA-256). Leaves and nodes are hashed with different prefixes, so that
//! neither can be mistaken for the other.

use sha2::{Digest as _, Sha256};

pub(super) type Hash = [u8; 32];

pub(super) fn leaf(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

/// The root over the leaves' hashes. Without leaves it is the hash of nothing.
pub(super) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        several => {
            // the largest smaller power of two
            let split = several.len().next_power_of_two() / 2;
            let (left, right) = several.split_at(split);
            Sha256::new().chain_update([1]).chain_update(root(left)).chain_update(root(right)).finalize().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of the reference implementation of RFC 6962.
    #[test]
    fn the_vectors_of_the_reference_hold() {
        let inputs =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let leaves: Vec<Hash> = inputs.iter().map(|input| leaf(&hex::decode(input).unwrap())).collect();
        for (count, expected) in roots.iter().enumerate() {
            assert_eq!(hex::encode(root(&leaves[..count])), *expected, "{count} leaves");
        }
    }

    #[test]
    fn a_node_is_no_leaf() {
        let (a, b) = (leaf(b"a"), leaf(b"b"));
        assert_ne!(root(&[a, b]), root(&[leaf(&[a, b].concat())]));
        assert_ne!(root(&[a, b]), root(&[b, a]));
        assert_ne!(root(&[a, b]), root(&[a, b, b]));
    }
}
