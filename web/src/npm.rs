//! The API of the npm package.
